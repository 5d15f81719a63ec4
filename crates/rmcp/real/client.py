"""The official client in Python. Its commands are lines of JSON on its input; each is begun at once, and answered on a line of output."""

import asyncio
import json
import sys

from mcp import Client

clients = {}


class Opened:
    """A client, in a task of its own: it must be closed where it was opened."""

    async def open(self):
        ready = asyncio.get_running_loop().create_future()
        self.end = asyncio.Event()
        self.task = asyncio.create_task(self.live(ready))
        await asyncio.wait([ready, self.task], return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            self.task.result()

    async def live(self, ready):
        # With sessions, as they are before the protocol of 2026-07-28.
        async with Client(sys.argv[1], mode="legacy") as self.client:
            ready.set_result(None)
            await self.end.wait()

    async def call(self, tool, args):
        try:
            result = await self.client.call_tool(tool, args)
            return result.content[0].text
        except Exception as error:
            return f"error: {error}"


async def run(command):
    name = command["client"]
    if command["do"] == "open":
        opened = Opened()
        await opened.open()
        clients[name] = opened
    elif command["do"] == "call":
        calls = [clients[name].call(command["tool"], command["args"]) for _ in range(command["times"])]
        return await asyncio.gather(*calls)
    else:
        clients[name].end.set()
        await clients[name].task
    return []


async def answer(command):
    try:
        answers = await run(command)
    except Exception as error:
        answers = [f"error: {error!r}"]
    print(json.dumps({"number": command["number"], "answers": answers}), flush=True)


async def main():
    running = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        running.add(asyncio.create_task(answer(json.loads(line))))


asyncio.run(main())
