"""A whole server with fakes for engines: a supervisor, and the serving process that it keeps.

python light_server.py                   the supervisor; settings come from the environment
python light_server.py --listen-fd N     the serving process, as the supervisor starts it
"""

import asyncio
import sys

from client_caller.listening import inherited, listening
from client_caller.logs import set_up_logging
from client_caller.supervisor import supervise


def main() -> None:
    set_up_logging()
    if "--listen-fd" not in sys.argv:
        with listening("127.0.0.1", 0) as listener:
            sys.exit(supervise([sys.executable, __file__], listener))
    from calls import AGENT, engines
    from client_caller.house import House
    from client_caller.server import answer_calls
    from client_caller.settings import load_settings

    with inherited(int(sys.argv[sys.argv.index("--listen-fd") + 1])) as listener:
        here = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = load_settings().model_copy(update={"public_url": here})
        print(f"{AGENT.name} answers calls at {here}", flush=True)
        asyncio.run(answer_calls(House(settings, AGENT, engines()), listener, lifeline=0))


if __name__ == "__main__":
    main()
