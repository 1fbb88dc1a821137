"""Sesame CSM-1B as a small serving engine: many calls in one batch on one GPU, in the prosody of each conversation.

In:   the words of a piece and the sound of the call so far.     Out: 24 kHz sound, a frame of 80 ms at a time.
Read: `turns` and `context` (what a slot's cache is to hold), `scheduler` and `ending` (when what runs, and when it
      ends), `engine` (`step()` = schedule, run, emit), `protocol` (what the engine asks of the model), `model` and what
      it is made of (`backbone`, `depth`, `sampler`, `cache`, `mimi_*`, `weights`), `worker` and `app` (as a server).
Rule: torch is imported below `model` only, and nothing outside this package imports it.

Source of the model: Sesame's CSM (https://github.com/SesameAILabs/csm) and transformers' `models/csm`, `models/mimi`.
"""
