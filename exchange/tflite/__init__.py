"""TFLite files (int8 and uint8) as programs, with the bits of LiteRT or of TFLite-Micro."""
