"""No file or folder has a name that says nothing: no util, helper or manager."""

import re

from sources import finish, tracked

EMPTY = re.compile("util|helper|manager", re.IGNORECASE)
finish([f"{path}: name it after what it does" for path in tracked() if EMPTY.search(str(path))])
