"""The listening server: sessions, headers and hostile requests; and ratings, from their export to the board."""

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


def test_a_session_serves_one_trial_after_another(shared: Served) -> None:
    """A trial's sounds can be fetched once the trials before it are answered; the state counts the answers."""
    server, link = shared, shared.link()
    state = json.loads(server.ask(f"{link}/state")[1])
    assert state == {"trials": 6, "answered": 0, "versions": 1, "reference": False, "rated": 1}
    for trial in range(6):
        status, sound, headers = server.ask(f"{link}/sound/{trial}/0")
        assert (status, headers["content-type"]) == (200, "audio/wav")
        with wave.open(io.BytesIO(sound)) as file:
            assert file.getnframes() > 1000
        assert server.ask(f"{link}/sound/{trial + 1}/0")[0] == 404, "the sounds of a later trial must not be served yet"
        assert server.ask(f"{link}/rating", {**GOOD, "trial": trial})[0] == 200
    assert json.loads(server.ask(f"{link}/state")[1]) == {"trials": 6, "answered": 6}
    assert server.ask(f"{link}/rating", {**GOOD, "trial": 6})[0] == 422
    assert server.kept(link) == [Answer((4,), 2.5, (1,))] * 6


def test_an_answer_is_final_and_may_be_sent_twice(shared: Served) -> None:
    """An answer that is sent again, as after a lost reply, is acknowledged; a different answer is refused."""
    server, link = shared, shared.link()
    assert server.ask(f"{link}/rating", {**GOOD, "trial": 1})[0] == 409, "trials are answered in order"
    assert server.ask(f"{link}/rating", GOOD)[0] == 200
    assert server.ask(f"{link}/rating", {**GOOD, "seconds": 9.0})[0] == 200
    assert server.ask(f"{link}/rating", {**GOOD, "ratings": [1]})[0] == 409
    assert server.kept(link) == [Answer((4,), 2.5, (1,))]


def test_listeners_are_isolated_from_each_other(shared: Served) -> None:
    """A listener's link neither shows nor changes another listener's answers; the database contains no links."""
    server, first, second = shared, shared.link(), shared.link()
    assert len(first.rpartition("/")[2]) >= 43, "256 bits"
    assert server.ask(f"{first}/rating", GOOD)[0] == 200
    assert json.loads(server.ask(f"{second}/state")[1])["answered"] == 0
    assert server.ask(f"{second}/rating", {**GOOD, "ratings": [1]})[0] == 200
    assert [server.kept(link)[0].ratings for link in (first, second)] == [(4,), (1,)]
    for guess in ("0", "1", first[3:-1], first[3:] + "a", "%00", "..", "*", "' OR 1=1 --".replace(" ", "%20")):
        assert server.ask(f"/s/{guess}/state")[0] == 404
    stored = b"".join(path.read_bytes() for path in server.folder.glob("ratings.sqlite*"))
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
    server, link = shared, shared.link()
    assert server.ask(f"{link}/rating", GOOD, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert server.ask(f"{link}/rating", GOOD, **{"Content-Type": "text/plain"})[0] == 415
    assert not server.kept(link)


def test_every_response_has_the_security_headers(shared: Served) -> None:
    server, link = shared, shared.link()
    for path in (link, f"{link}/state", f"{link}/sound/0/0", "/listen.js", "/listen.css", "/nowhere"):
        headers = server.ask(path)[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    page = server.ask(link)[1].decode()
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page


def test_page_and_state_do_not_name_the_systems(served: Serve) -> None:
    """Neither the page nor the state of a session contains a system's name."""
    server = served("ab", "--clips", "2")
    link = server.link()
    responses = b"".join(server.ask(path)[1] for path in (link, f"{link}/state"))
    for name in (b"unprocessed", b"spectral", b"target"):
        assert name not in responses


@pytest.mark.parametrize(("kind", "trials"), [("mos", 24 + 6), ("dmos", 24 + 6), ("mushra", 8), ("ab", 24 + 2)])
def test_every_kind_has_its_number_of_trials_and_sounds(make: Callable[..., Path], kind: str, trials: int) -> None:
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


def save_simulated_ratings(folder: Path, listeners: int, careless: int = -1) -> None:
    """Saves ratings by simulated listeners: the target is best, and the listener `careless` always answers 3."""
    test, ratings = read_test(folder), Ratings(folder)
    better = {"target": 5, "spectral-gate": 3, "unprocessed": 2, "clean": 5, "noisy": 1}
    rng = np.random.default_rng(0)
    for listener, _ in ratings.add_listeners(listeners):
        for number, trial in enumerate(test.trials(listener)):
            if test.kind == "ab":
                first, second = (better[system] for system in trial.systems)
                answer = [int(np.sign(second - first))]
            else:
                exact = [better.get(system, trial.expected) for system in trial.systems]
                answer = [int(np.clip(e + (not trial.check) * rng.integers(-1, 2), 1, 5)) for e in exact]
            answer = [3] if listener == careless else answer
            assert ratings.put(listener, number, Answer(tuple(answer), 3.0, (1,) * len(answer)))


def test_from_ratings_to_the_board(store: Path, make: Callable[..., Path], cli: Cli, tmp_path: Path) -> None:
    """Ratings are exported, scored without the careless listener, and added as a column to the board and the report."""
    folder = make("mos")
    save_simulated_ratings(folder, 6, careless=2)
    table = tmp_path / "ratings.csv"
    assert cli("listen", "export", str(folder), "--out", str(table)).returncode == 0
    rows = read_csv(table, ("listener", "clip", "system", "value"))
    assert len(rows) == 6 * 30
    shown = cli("listen", "scores", str(table), "--format", "csv")
    assert shown.returncode == 0, shown.stderr
    assert "Listener 3 is left out: 6 of 6 checks are wrong." in cli("listen", "scores", str(table)).stdout
    system_scores = scores(read_ratings(table))
    assert list(system_scores) == ["spectral-gate", "target", "unprocessed"]
    counted = [row for row in rows if row["system"] == "target" and row["listener"] != "3"]
    assert system_scores["target"].mean == pytest.approx(np.mean([float(row["value"]) for row in counted]))
    assert system_scores["target"].ratings == len(counted) == 5 * 8
    assert system_scores["target"].interval is not None

    copied = tmp_path / "s"
    import shutil

    shutil.copytree(store, copied)
    assert cli("listen", "add", str(copied), str(table)).returncode == 0
    board = cli("board", str(copied), "--format", "csv")
    rows = [row for row in csv.DictReader(io.StringIO(board.stdout)) if row["value_name"] == "mos"]
    [mos] = [row for row in rows if row["system"] == "spectral-gate"]
    assert float(mos["value"]) == pytest.approx(system_scores["spectral-gate"].mean)
    assert float(mos["low"]) < float(mos["value"]) <= float(mos["high"]) <= 5
    report = cli("report", str(copied), "--out", str(tmp_path / "r"), "--clips", "2")
    assert report.returncode == 0, report.stderr
    assert "MOS" in (tmp_path / "r" / "index.html").read_text()


def test_pairs_are_scored_by_the_share_of_wins(make: Callable[..., Path], cli: Cli, tmp_path: Path) -> None:
    folder = make("ab")
    save_simulated_ratings(folder, 3)
    table = tmp_path / "ratings.csv"
    table.write_text(to_csv(rows_of(read_test(folder), Ratings(folder).all())))
    system_scores = scores(read_ratings(table))
    assert {system: score.mean for system, score in system_scores.items()} == {
        "target": 1.0, "spectral-gate": 0.5, "unprocessed": 0.0,
    }  # fmt: skip
    assert agreement(read_ratings(table)).rest == 0, "all listeners agree, whatever the order within a pair"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("dmos,demo,1,hibari_41,target,4", "ratings of kind dmos are no MOS"),
        ("mos,other,1,hibari_41,target,4", "the ratings are of other; the store's suite is demo"),
        ("mos,demo,1,hibari_41,target,90", "a rating is not within 1 to 5"),
    ],
)
def test_ratings_that_are_no_mos_of_the_suite_are_refused(
    store: Path, cli: Cli, tmp_path: Path, lines: str, words: str
) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text(f"kind,suite,listener,clip,system,value\n{lines}\n")
    refused = cli("listen", "add", str(store), str(table))
    assert refused.returncode == 2
    assert words in refused.stderr


def test_one_wrong_answer_excludes_no_listener() -> None:
    """A strict listener may rate a clean clip as fair."""
    strict = pd.DataFrame({"listener": ["a"] * 3, "passed": ["0", "1", "1"]})
    assert not listeners_of(strict).inattentive
    careless = pd.DataFrame({"listener": ["a"] * 3, "passed": ["0", "0", "1"]})
    assert listeners_of(careless).inattentive == ["a"]


def test_a_careless_listener_is_found_by_the_checks() -> None:
    """Two checks of each kind find more than 85 % of 300 listeners who answer at random, and no careful listener."""
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
                correct = {"beeps": trial.expected, "clean": int(rng.integers(4, 6)), "noisy": int(rng.integers(1, 3))}
                careful = passed(trial, [correct[trial.check]])
                rows.append({"listener": f"careful {listener}", "passed": str(int(careful or 0))})
    inattentive = listeners_of(pd.DataFrame(rows)).inattentive
    assert not [name for name in inattentive if name.startswith("careful")]
    assert len(inattentive) > 0.85 * 300


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
def test_an_invalid_table_of_ratings_is_refused(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text(text)
    with pytest.raises(RequestError) as caught:
        read_ratings(table)
    assert words in str(caught.value)


def test_ratings_of_another_program_are_scored(tmp_path: Path) -> None:
    """A CSV file of another program needs only the four columns."""
    table = tmp_path / "ratings.csv"
    rows = [(listener, clip, 4 + (clip == "b")) for listener in "xyz" for clip in "abc"]
    lines = "".join(f"{listener},{clip},sys,{value}\n" for listener, clip, value in rows)
    table.write_text("listener,clip,system,value\n" + lines)
    assert scores(read_ratings(table))["sys"].mean == pytest.approx(13 / 3)


def test_unknown_systems_full_folders_and_absent_tests_are_refused(store: Path, cli: Cli, tmp_path: Path) -> None:
    missing = cli("listen", "make", str(store), "--out", str(tmp_path / "t"), "--systems", "gtcrn,target")
    assert missing.returncode == 2
    assert "gtcrn was not run; choose among: spectral-gate, target, unprocessed" in missing.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    full = cli("listen", "make", str(store), "--out", str(tmp_path / "full"))
    assert "is not empty" in full.stderr
    nowhere = cli("listen", "serve", str(tmp_path / "nowhere"))
    assert "no listening test; make one: restorebench listen make" in nowhere.stderr


def test_a_missing_sound_is_reported(store: Path, cli: Cli, tmp_path: Path) -> None:
    """A system that lacks the sound of one clip is not tested on its other clips alone."""
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
    """Also where some clips are silent, and so cannot be attention checks."""
    done = cli(
        "run", "demo-edge", "--limit", "4", "--systems", "unprocessed,target", "--metrics", "lsd", "--store", "s"
    )
    assert done.returncode == 0, done.stderr
    listen_make = cli("listen", "make", "s", "--out", "t", "--clips", "16")
    assert listen_make.returncode == 0, listen_make.stderr
    test = read_test(tmp_path / "t")
    assert 0 < len(test.checked) < len(test.clips), "silent clips must not be attention checks"
    for listener in range(8):
        for trial in test.trials(listener):
            assert all((tmp_path / "t" / "sounds" / file).is_file() for file in test.sounds_of(trial))
            assert trial.check in ("", "beeps") or trial.clip in test.checked


def test_an_internal_error_has_the_security_headers_too(served: Serve) -> None:
    server = served("mos", "--clips", "2")
    (server.folder / "ratings.sqlite").write_bytes(b"no database")
    status, _, headers = server.ask(f"{'/s/' + 'a' * 43}/state")
    assert status == 500
    assert "default-src 'none'" in headers["content-security-policy"]
