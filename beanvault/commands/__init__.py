"""The commands of `beanvault`, one a file: options, one call into the library, its result printed."""
