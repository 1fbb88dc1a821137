"""How sound becomes words and turns."""
