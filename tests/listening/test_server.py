"""The server: what a listener may hear and say, headers, hostile requests; and the way of ratings to a board."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.data.tables import read_csv
from restorebench.benchmark.errors import RequestError
from restorebench.reports.listening.analysis import agreement, listeners_of, read_ratings, rows_of, scores, to_csv
from restorebench.reports.listening.design import Checks, passed, session
from restorebench.reports.listening.listening_test import read_test
from restorebench.reports.listening.ratings import Answer, Ratings
from tests.conftest import Cli
from tests.listening.conftest import Served

Serve = Callable[..., Served]
GOOD = {"trial": 0, "ratings": [4], "seconds": 2.5, "plays": [1]}


def test_a_session(shared: Served) -> None:
    """Question by question: sounds of the current trial and earlier ones, then the answer; a reload goes on."""
    one, link = shared, shared.link()
    state = json.loads(one.ask(f"{link}/state")[1])
    assert state == {"trials": 6, "answered": 0, "versions": 1, "reference": False, "rated": 1}
    for trial in range(6):
        status, sound, headers = one.ask(f"{link}/sound/{trial}/0")
        assert (status, headers["content-type"]) == (200, "audio/wav")
        with wave.open(io.BytesIO(sound)) as file:
            assert file.getnframes() > 1000
        assert one.ask(f"{link}/sound/{trial + 1}/0")[0] == 404, "a later trial is not told before its time"
        assert one.ask(f"{link}/rating", {**GOOD, "trial": trial})[0] == 200
    assert json.loads(one.ask(f"{link}/state")[1]) == {"trials": 6, "answered": 6}
    assert one.ask(f"{link}/rating", {**GOOD, "trial": 6})[0] == 422
    assert one.kept(link) == [Answer((4,), 2.5, (1,))] * 6


def test_an_answer_is_final_and_may_be_sent_twice(shared: Served) -> None:
    """The second sending of one answer, as after a lost reply, is acknowledged; another answer is refused."""
    one, link = shared, shared.link()
    assert one.ask(f"{link}/rating", {**GOOD, "trial": 1})[0] == 409, "trials are answered in order"
    assert one.ask(f"{link}/rating", GOOD)[0] == 200
    assert one.ask(f"{link}/rating", {**GOOD, "seconds": 9.0})[0] == 200
    assert one.ask(f"{link}/rating", {**GOOD, "ratings": [1]})[0] == 409
    assert one.kept(link) == [Answer((4,), 2.5, (1,))]


def test_listeners_are_apart(shared: Served) -> None:
    """One listener's link gives and changes nothing of another's; links are not in the database."""
    one, first, second = shared, shared.link(), shared.link()
    assert len(first.rpartition("/")[2]) >= 43, "256 bits"
    assert one.ask(f"{first}/rating", GOOD)[0] == 200
    assert json.loads(one.ask(f"{second}/state")[1])["answered"] == 0
    assert one.ask(f"{second}/rating", {**GOOD, "ratings": [1]})[0] == 200
    assert [one.kept(link)[0].ratings for link in (first, second)] == [(4,), (1,)]
    for guess in ("0", "1", first[3:-1], first[3:] + "a", "%00", "..", "*", "' OR 1=1 --".replace(" ", "%20")):
        assert one.ask(f"/s/{guess}/state")[0] == 404
    stored = b"".join(path.read_bytes() for path in one.folder.glob("ratings.sqlite*"))
    assert first[3:].encode() not in stored


@pytest.mark.parametrize(
    "path",
    [
        "/test.json", "/ratings.sqlite", "/../test.json", "/%2e%2e/test.json", "/sounds/", "/listen.html.j2",
        "/etc/passwd", "/..%2f..%2fetc%2fpasswd",
        "{link}/sound/0/99", "{link}/sound/0/-1", "{link}/sound/-1/0", "{link}/sound/99/0",
        "{link}/sound/0/..%2f..%2ftest.json", "{link}/sound/../../test.json", "{link}/rating", "/", "/s/", "//",
    ],
)  # fmt: skip
def test_no_other_file_can_be_reached(shared: Served, path: str) -> None:
    status, body, headers = shared.ask(path.format(link=shared.link()))
    assert status in (404, 405)
    assert len(body) < 100
    assert "content-security-policy" in headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**GOOD, "ratings": [6]}, 422), ({**GOOD, "ratings": [0]}, 422), ({**GOOD, "ratings": [True]}, 422),
        ({**GOOD, "ratings": ["4"]}, 422), ({**GOOD, "ratings": [4.5]}, 422), ({**GOOD, "ratings": []}, 422),
        ({**GOOD, "ratings": [4, 4]}, 422), ({**GOOD, "trial": -1}, 422), ({**GOOD, "trial": 1 << 70}, 422),
        ({**GOOD, "seconds": -1}, 422), ({**GOOD, "more": 1}, 422), ({"trial": 0}, 422), ([], 422), ("x", 422),
        (b"{", 422), (b"\xff\xfe", 422), (b"[" * 5000, 422), (b" " * 20_000, 413), (b'{"seconds": NaN}', 422),
        (b"", 422),
    ],
)  # fmt: skip
def test_an_invalid_answer_is_refused(shared: Served, body: object, status: int) -> None:
    link = shared.link()
    assert shared.ask(f"{link}/rating", body)[0] == status
    assert not shared.kept(link)


def test_answers_from_other_pages_are_refused(shared: Served) -> None:
    one, link = shared, shared.link()
    assert one.ask(f"{link}/rating", GOOD, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert one.ask(f"{link}/rating", GOOD, **{"Content-Type": "text/plain"})[0] == 415
    assert not one.kept(link)


def test_every_answer_has_the_headers(shared: Served) -> None:
    one, link = shared, shared.link()
    for path in (link, f"{link}/state", f"{link}/sound/0/0", "/listen.js", "/listen.css", "/nowhere"):
        headers = one.ask(path)[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    page = one.ask(link)[1].decode()
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page


def test_nothing_tells_the_systems(served: Serve) -> None:
    """Neither the page, the state nor the sounds' addresses and sizes name one."""
    one = served("ab", "--clips", "2")
    link = one.link()
    told = b"".join(one.ask(path)[1] for path in (link, f"{link}/state"))
    for word in (b"unprocessed", b"spectral", b"target"):
        assert word not in told


@pytest.mark.parametrize(("kind", "trials"), [("mos", 24 + 6), ("dmos", 24 + 6), ("mushra", 8), ("ab", 24 + 2)])
def test_kinds(make: Callable[..., Path], kind: str, trials: int) -> None:
    test = read_test(make(kind))
    assert len(test.trials(0)) == trials
    assert len(test.clips) == 8
    for trial in test.trials(0):
        files = test.sounds_of(trial)
        assert len(files) == len(trial.systems) + test.has_reference * (trial.check != "beeps")


def test_versions_of_a_clip_have_one_loudness(make: Callable[..., Path]) -> None:
    from restorebench.benchmark.audio import read
    from restorebench.reports.html.sounds import loudness

    folder = make("mushra", "--clips", "3")
    for versions in read_test(folder).files.values():
        levels = [loudness(read(folder / "sounds" / file)) for file in versions.values()]
        assert np.ptp(levels) < 0.5


def answered(folder: Path, listeners: int, careless: int = -1) -> None:
    """Ratings by simulated listeners: the target is best; one presses the same key all the time."""
    test, ratings = read_test(folder), Ratings(folder)
    better = {"target": 5, "spectral-gate": 3, "unprocessed": 2, "clean": 5, "noisy": 1}
    rng = np.random.default_rng(0)
    for listener, _ in ratings.add_listeners(listeners):
        for number, trial in enumerate(test.trials(listener)):
            if test.kind == "ab":
                first, second = (better[system] for system in trial.systems)
                given = [int(np.sign(second - first))]
            else:
                exact = [better.get(system, trial.expected) for system in trial.systems]
                given = [int(np.clip(e + (not trial.check) * rng.integers(-1, 2), 1, 5)) for e in exact]
            given = [3] if listener == careless else given
            assert ratings.put(listener, number, Answer(tuple(given), 3.0, (1,) * len(given)))


def test_from_ratings_to_the_board(store: Path, make: Callable[..., Path], cli: Cli, tmp_path: Path) -> None:
    """Export, scores with the careless listener named and left out, and the column on board and report."""
    folder = make("mos")
    answered(folder, 6, careless=2)
    table = tmp_path / "ratings.csv"
    assert cli("listen", "export", str(folder), "--out", str(table)).returncode == 0
    rows = read_csv(table, ("listener", "clip", "system", "value"))
    assert len(rows) == 6 * 30
    shown = cli("listen", "scores", str(table), "--format", "csv")
    assert shown.returncode == 0, shown.stderr
    assert "Listener 3 is left out: 6 of 6 checks are wrong." in cli("listen", "scores", str(table)).stdout
    found = scores(read_ratings(table))
    assert list(found) == ["spectral-gate", "target", "unprocessed"]
    counted = [row for row in rows if row["system"] == "target" and row["listener"] != "3"]
    assert found["target"].mean == pytest.approx(np.mean([float(row["value"]) for row in counted]))
    assert found["target"].ratings == len(counted) == 5 * 8
    assert found["target"].interval is not None

    copied = tmp_path / "s"
    import shutil

    shutil.copytree(store, copied)
    assert cli("listen", "add", str(copied), str(table)).returncode == 0
    board = cli("board", str(copied), "--format", "csv")
    rows = [row for row in csv.DictReader(io.StringIO(board.stdout)) if row["value_name"] == "mos"]
    [mos] = [row for row in rows if row["system"] == "spectral-gate"]
    assert float(mos["value"]) == pytest.approx(found["spectral-gate"].mean)
    assert float(mos["low"]) < float(mos["value"]) <= float(mos["high"]) <= 5
    report = cli("report", str(copied), "--out", str(tmp_path / "r"), "--clips", "2")
    assert report.returncode == 0, report.stderr
    assert "MOS" in (tmp_path / "r" / "index.html").read_text()


def test_pairs_have_shares_of_wins(make: Callable[..., Path], cli: Cli, tmp_path: Path) -> None:
    folder = make("ab")
    answered(folder, 3)
    table = tmp_path / "ratings.csv"
    table.write_text(to_csv(rows_of(read_test(folder), Ratings(folder).all())))
    found = scores(read_ratings(table))
    assert {system: one.mean for system, one in found.items()} == {
        "target": 1.0, "spectral-gate": 0.5, "unprocessed": 0.0,
    }  # fmt: skip
    assert agreement(read_ratings(table)).rest == 0, "all agree, in whatever order a pair was heard"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("dmos,demo,1,hibari_41,target,4", "ratings of kind dmos are no MOS"),
        ("mos,other,1,hibari_41,target,4", "the ratings are of other; the store's suite is demo"),
        ("mos,demo,1,hibari_41,target,90", "a rating is not within 1 to 5"),
    ],
)
def test_what_is_no_mos_of_the_suite_is_not_added(
    store: Path, cli: Cli, tmp_path: Path, lines: str, words: str
) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text(f"kind,suite,listener,clip,system,value\n{lines}\n")
    refused = cli("listen", "add", str(store), str(table))
    assert refused.returncode == 2
    assert words in refused.stderr


def test_one_answer_leaves_nobody_out() -> None:
    """A strict listener may call a clean clip fair."""
    strict = pd.DataFrame({"listener": ["a"] * 3, "passed": ["0", "1", "1"]})
    assert not listeners_of(strict).inattentive
    careless = pd.DataFrame({"listener": ["a"] * 3, "passed": ["0", "0", "1"]})
    assert listeners_of(careless).inattentive == ["a"]


def test_a_careless_listener_is_found_by_the_checks() -> None:
    """Of 300 who press keys at random, at least 85 % are found with two checks of each kind; of careful ones, none."""
    clips, rng = [f"c{i}" for i in range(40)], np.random.default_rng(0)
    rows = []
    for listener in range(300):
        for trial in session("mos", clips, ["x", "y"], listener, 10, Checks(2, clips)):
            if trial.check:
                rows.append(
                    {
                        "listener": f"random {listener}",
                        "passed": str(int(passed(trial, [int(rng.integers(1, 6))]) or 0)),
                    }
                )
                right = {"beeps": trial.expected, "clean": int(rng.integers(4, 6)), "noisy": int(rng.integers(1, 3))}
                careful = passed(trial, [right[trial.check]])
                rows.append({"listener": f"careful {listener}", "passed": str(int(careful or 0))})
    out = listeners_of(pd.DataFrame(rows)).inattentive
    assert not [name for name in out if name.startswith("careful")]
    assert len(out) > 0.85 * 300


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listener,clip,system\n1,c,x\n", "wanted listener,clip,system,value"),
        ("listener,clip,system,value\n1,c,x,nan\n", "line 2: value 'nan' is not a number"),
        ("listener,clip,system,value\n\n1,c,x,inf\n", "line 3: value 'inf' is not a number"),
        ("listener,clip,system,value\n1,c,x,inf\n", "line 2: value 'inf' is not a number"),
        ("listener,clip,system,value\n1,c,x,good\n", "line 2: value 'good' is not a number"),
        ("listener,clip,system,value,passed\n1,c,x,4,yes\n", "line 2: passed is 'yes'; wanted 0, 1 or nothing"),
        ("listener,clip,system,value\n", "holds no ratings"),
    ],
)
def test_a_table_of_ratings_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text(text)
    with pytest.raises(RequestError) as seen:
        read_ratings(table)
    assert words in str(seen.value)


def test_ratings_from_elsewhere(tmp_path: Path) -> None:
    """A CSV with the four columns is enough."""
    table = tmp_path / "ratings.csv"
    rows = [(who, clip, 4 + (clip == "b")) for who in "xyz" for clip in "abc"]
    lines = "".join(f"{who},{clip},sys,{value}\n" for who, clip, value in rows)
    table.write_text("listener,clip,system,value\n" + lines)
    assert scores(read_ratings(table))["sys"].mean == pytest.approx(13 / 3)


def test_making_a_test_refuses_what_would_be_unfair(store: Path, cli: Cli, tmp_path: Path) -> None:
    missing = cli("listen", "make", str(store), "--out", str(tmp_path / "t"), "--systems", "gtcrn,target")
    assert missing.returncode == 2
    assert "gtcrn was not run; choose among: spectral-gate, target, unprocessed" in missing.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    full = cli("listen", "make", str(store), "--out", str(tmp_path / "full"))
    assert "is not empty" in full.stderr
    nowhere = cli("listen", "serve", str(tmp_path / "nowhere"))
    assert "no listening test; make one: restorebench listen make" in nowhere.stderr


def test_a_missing_sound_is_told(store: Path, cli: Cli, tmp_path: Path) -> None:
    """A system without a sound for one clip is not tested on the others alone."""
    import shutil

    copied = tmp_path / "s"
    shutil.copytree(store, copied)
    sound = next((copied / "restored").glob("*.wav"))
    sound.unlink()
    done = cli("listen", "make", str(copied), "--out", str(tmp_path / "t"))
    assert done.returncode == 2
    assert "1 sounds are missing, such as spectral-gate of" in done.stderr
    assert not (tmp_path / "t").exists()
    others = cli("listen", "make", str(copied), "--out", str(tmp_path / "t"), "--systems", "unprocessed,target,target")
    assert others.returncode == 0, others.stderr
    assert read_test(tmp_path / "t").systems == ("unprocessed", "target")


def test_every_trial_of_every_listener_has_its_sounds(cli: Cli, tmp_path: Path) -> None:
    """Also where no clip has a clean version to be a check, or a clip is silent; a system that lacks clips is told."""
    done = cli(
        "run", "demo-edge", "--limit", "4", "--systems", "unprocessed,target", "--metrics", "lsd", "--store", "s"
    )
    assert done.returncode == 0, done.stderr
    made = cli("listen", "make", "s", "--out", "t", "--clips", "16")
    assert made.returncode == 0, made.stderr
    test = read_test(tmp_path / "t")
    assert 0 < len(test.checked) < len(test.clips), "the silent clips are no checks"
    for listener in range(8):
        for trial in test.trials(listener):
            assert all((tmp_path / "t" / "sounds" / file).is_file() for file in test.sounds_of(trial))
            assert trial.check in ("", "beeps") or trial.clip in test.checked


def test_a_fault_of_the_server_has_the_headers_too(served: Serve) -> None:
    one = served("mos", "--clips", "2")
    (one.folder / "ratings.sqlite").write_bytes(b"no database")
    status, _, headers = one.ask(f"{'/s/' + 'a' * 43}/state")
    assert status == 500
    assert "default-src 'none'" in headers["content-security-policy"]
