"""Object stores that cannot be used: said in one line, whatever obstore and what lies below it raise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import InputError


@contextmanager
def reached(address: str, fault: Callable[[Exception], str]) -> Iterator[None]:
    """Raises InputError where a store cannot be used; `fault` puts what else was raised into words."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"{address!r} is in an object store, which takes obstore: pip install 'stagewright[object-stores]', on "
            "executors too."
        ) from error
    except Exception as error:
        raise InputError(
            f"{address!r} {fault(error)}. Address, region and credentials come from the environment, such as "
            "AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID; on executors too."
        ) from error
