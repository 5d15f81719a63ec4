// The official client in TypeScript. Its commands are lines of JSON on its input; each is begun at once, and answered on a line of output.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { createInterface } from "node:readline";

const url = new URL(process.argv[2]);
const clients = new Map();

async function call(client, tool, args) {
  try {
    const result = await client.callTool({ name: tool, arguments: args });
    return result.content[0].text;
  } catch (error) {
    return `error: ${error.message} ${error.cause?.message ?? ""}`;
  }
}

const commands = {
  async open({ client }) {
    const transport = new StreamableHTTPClientTransport(url);
    const opened = new Client({ name: "typescript", version: "1" });
    await opened.connect(transport);
    clients.set(client, { opened, transport });
    return [];
  },
  async call({ client, tool, args, times }) {
    const { opened } = clients.get(client);
    return Promise.all(Array.from({ length: times }, () => call(opened, tool, args)));
  },
  async end({ client }) {
    const { opened, transport } = clients.get(client);
    await transport.terminateSession();
    await opened.close();
    return [];
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = (answers) => console.log(JSON.stringify({ number: command.number, answers }));
  commands[command.do](command).then(answer, (error) => answer([`error: ${error.message}`]));
}
process.exit();
