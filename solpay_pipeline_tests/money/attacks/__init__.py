"""Strangers, poisoned rows and repetition neither take money nor keep others from theirs."""
