"""Change control: what a pipeline does beside the program. `python -m ci --help` lists the commands.

A preview of the engine becomes a typed set of changes (`changes`), with names that a person knows (`nouns`) and what
changes of each thing (`differences`). From it come the note on a merge request (`note`, `markdown`, `posting`), its
twin in the terminal (`terminal`), and the brake on changes that reach too far (`brake`). `drift` compares the site
with its state (`events`) and the program; `renewal` renews certificates; `states` keeps copies of the state. What the
engine prints passes `scrub` before anybody reads it.
"""
