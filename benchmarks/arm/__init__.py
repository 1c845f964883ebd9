"""An ARM processor without a phone: qemu that counts instructions, and LiteRT for arm64 in it."""
