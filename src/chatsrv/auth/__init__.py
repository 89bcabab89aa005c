"""Who somebody is: password hashes, and how often one may guess."""
