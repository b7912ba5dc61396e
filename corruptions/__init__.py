"""Corruptions by registry name. To add one, add a file, and a line here."""

BUILTIN = {
    "clipping": "clipping:Clipping",
    "dns": "dns:Dns",
    "duration": "edge:Duration",
    "edge": "edge:Edge",
    "level": "level:Level",
    "lowpass": "lowpass:LowPassing",
    "noise": "noise:Noise",
    "packet-loss": "packet_loss:PacketLoss",
    "reverb": "reverb:Reverb",
    "voicefixer": "voicefixer:VoiceFixer",
}
