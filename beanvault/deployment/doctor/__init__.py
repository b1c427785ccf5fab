"""`beanvault doctor`: pre-flight checks of a deployment, each with a remedy."""
