"""The subcommands of `beanvault`, one per file: options, one call of the library, its result printed."""
