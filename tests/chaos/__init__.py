"""`make chaos`: random payments, reorganisations and outages on the real platform, judged by an oracle of its own."""
