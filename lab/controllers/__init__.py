"""What pods that kwok only plays cannot do: the lab's controllers do it on the site's real API server.

They act as the real ones do, on the objects of the program: they write `status`, events, and objects
that nobody else declares, and leave every declared field alone.
"""
