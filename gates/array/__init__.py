"""The lane array as gates, and the streams it is played with."""
