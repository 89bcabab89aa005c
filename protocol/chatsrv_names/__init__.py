"""Names of people and groups: what makes two names the same, which names are allowed, and whom a text mentions.

Pure functions over Unicode's data, for the server and for clients alike: both have to take the same names for the same.
"""

from chatsrv_names.keys import name_key, skeleton
from chatsrv_names.mentions import EVERYBODY, Candidate, find_mentions
from chatsrv_names.rules import account_name_problem, title_problem

__all__ = [
    "EVERYBODY",
    "Candidate",
    "account_name_problem",
    "find_mentions",
    "name_key",
    "skeleton",
    "title_problem",
]
