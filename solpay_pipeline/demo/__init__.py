"""A shop to look at: payments in every situation on the embedded chain, the real jobs, and books that must balance."""
