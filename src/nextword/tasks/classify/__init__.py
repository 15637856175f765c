"""Text classification: methods that are scikit-learn estimators over texts, labelled tables, and reports.

``methods.METHODS`` names them; ``base.TextClassifier.load`` opens a stored one, of whatever method.
"""

from nextword.errors import UsageError
from nextword.tasks.extras import require_tasks

try:
    require_tasks()
except UsageError as error:
    raise ImportError(str(error)) from None
