"""Metrics by registry name. A new one is one file and one line here."""

BUILTIN = {
    "cer@seed-tts-zh": "asr_wer:seed_tts_zh",
    "dnsmos": "dnsmos:Dnsmos",
    "dnsmos@full": "dnsmos:DnsmosFull",
    "ghost": "ghost:Ghost",
    "lsd": "lsd:Lsd",
    "lsd@active": "lsd:LsdActive",
    "pesq": "intrusive:Pesq",
    "rtf": "rtf:Rtf",
    "sesqa": "sesqa:Sesqa",
    "si_sdr": "intrusive:SiSdr",
    "sim_o": "sim_o:SimO",
    "spk_sim@resemblyzer": "speaker:ResemblyzerSimilarity",
    "spk_sim@wespeaker": "wespeaker:WeSpeakerSimilarity",
    "stoi": "intrusive:Stoi",
    "wer": "wer:Wer",
    "wer@nemo": "asr_wer:nemo",
    "wer@seed-tts-en": "asr_wer:seed_tts_en",
    "wer@whisper": "asr_wer:whisper",
}
