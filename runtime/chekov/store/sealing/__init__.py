"""Personal data: encrypted when it is stored, decrypted when it is read."""
