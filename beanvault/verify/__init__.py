"""Is the deployment really hardened, now? Each control, asked of the account itself and not of the
template.
"""
