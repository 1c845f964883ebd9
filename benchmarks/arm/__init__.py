"""An emulated ARM processor: qemu with a plugin that counts instructions, running LiteRT for arm64."""
