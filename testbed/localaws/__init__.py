"""A local AWS for tests and demonstrations: moto's server, and what moto lacks for a Beanstalk deployment.

It is a test bed with a border: it imports nothing of the product, and the product nothing of it.
"""
