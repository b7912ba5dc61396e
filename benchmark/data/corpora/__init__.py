"""Readers of corpora. Each gives utterances in a fixed order, or raises RequestError and says what is missing."""

BUILTIN = {
    "archives": "archives:Archives",
    "demo": "demo:Demo",
    "dns": "dns:DnsTestSet",
    "folder": "folder:Folder",
    "librispeech": "librispeech:LibriSpeech",
    "manifest": "manifest:Manifest",
    "published": "published:Published",
    "seedtts": "seedtts:SeedTts",
    "vctk": "vctk:Vctk",
}
