"""CloudFormation stacks: what one should be, what a change set would do, and bringing it there."""
