// Licensed to the Apache Software Foundation (ASF) under one
// or more contributor license agreements.  See the NOTICE file
// distributed with this work for additional information
// regarding copyright ownership.  The ASF licenses this file
// to you under the Apache License, Version 2.0 (the
// "License"); you may not use this file except in compliance
// with the License.  You may obtain a copy of the License at
//
//   http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing,
// software distributed under the License is distributed on an
// "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
// KIND, either express or implied.  See the License for the
// specific language governing permissions and limitations
// under the License.
// What the official TypeScript clients get: fed to node on its standard input, so that bare imports resolve
// from the working directory. Arguments come by the environment, the findings go to standard output as JSON.

const { MCP_URL, MCP_AUTHORIZATION, MCP_SDK, MCP_MODE, MCP_RESOURCE, MCP_PROMPT, MCP_TOOL, MCP_ARGUMENTS } =
  process.env;
const requestInit = { headers: { Authorization: MCP_AUTHORIZATION } };
const identity = { name: 'typescript-test', version: '1' };

async function open() {
  if (MCP_SDK === '1') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = await import(
      '@modelcontextprotocol/sdk/client/streamableHttp.js'
    );
    const client = new Client(identity);
    const transport = new StreamableHTTPClientTransport(new URL(MCP_URL), { requestInit });
    await client.connect(transport);
    return { client, version: transport.protocolVersion };
  }
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const client = new Client(identity, { versionNegotiation: { mode: MCP_MODE } });
  await client.connect(new StreamableHTTPClientTransport(new URL(MCP_URL), { requestInit }));
  return { client, version: client.getNegotiatedProtocolVersion() };
}

const { client, version } = await open();
const progress = [];
const call = { name: MCP_TOOL, arguments: JSON.parse(MCP_ARGUMENTS) };
const onprogress = (report) => progress.push(report.progress);
const result =
  MCP_SDK === '1'
    ? await client.callTool(call, undefined, { onprogress })
    : await client.callTool(call, { onprogress });
console.log(
  JSON.stringify({
    version,
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    tools: (await client.listTools()).tools,
    resources: (await client.listResources()).resources,
    prompts: (await client.listPrompts()).prompts,
    result,
    progress,
    contents: (await client.readResource({ uri: MCP_RESOURCE })).contents,
    messages: (await client.getPrompt({ name: MCP_PROMPT })).messages,
  })
);
await client.close();
