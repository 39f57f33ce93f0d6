"""Embedded packs, one folder each; read them with `copyright_gym.pack.load_pack`."""
