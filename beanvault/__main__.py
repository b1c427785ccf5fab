"""python -m beanvault"""

from .cli import main

main()
