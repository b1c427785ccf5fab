"""The state of the account: AWS's answers, each requested once and parsed into typed values.

One module for each group of services. Nothing outside this package reads an answer of AWS.
"""
