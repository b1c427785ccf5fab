"""CloudFormation stacks: their desired state, the changes it takes, and how they are made."""
