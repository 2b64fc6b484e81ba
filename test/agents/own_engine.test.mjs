// SPDX-License-Identifier: Apache-2.0
// OpenAI's SDK for Node.js and the AI SDK on our own engine; test_own_engine.py starts it. Whatever a small model says, an answer
// of a type has it, and a call of a tool fits the tool.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';

const [agents, clients] = process.env.NODE_PATH.split(path.delimiter).map((folder) => createRequire(path.join(folder, 'package.json')));
const { Output, generateText, streamText, tool } = agents('ai');
const { createOpenAI } = agents('@ai-sdk/openai');
const { createAnthropic } = agents('@ai-sdk/anthropic');
const { createOpenAICompatible } = agents('@ai-sdk/openai-compatible');
const { z } = agents('zod');
const { OpenAI } = clients('openai');

const { GATE, KEY, MODEL } = process.env;
const baseURL = `${GATE}/v1`;
const prompt = 'Paint it green, please, with three coats.';
const messages = [{ role: 'user', content: prompt }];
const schema = z.object({ colour: z.enum(['red', 'green', 'blue']), coats: z.int().min(1).max(3), sure: z.boolean() });
const json = { ...z.toJSONSchema(schema), additionalProperties: false };

// --- openai ---

const client = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0 });
const response_format = { type: 'json_schema', json_schema: { name: 'paint', strict: true, schema: json } };
const tools = [{ type: 'function', function: { name: 'paint', parameters: json, strict: true } }];

test('openai schema', async () => {
  const done = await client.chat.completions.parse({ model: MODEL, messages, response_format });
  assert.equal(done.choices[0].finish_reason, 'stop');
  schema.parse(done.choices[0].message.parsed);
});

test('openai schema streamed', async () => {
  const stream = client.chat.completions.stream({ model: MODEL, messages, response_format });
  const done = await stream.finalChatCompletion();
  schema.parse(done.choices[0].message.parsed);
});

test('openai tool', async () => {
  const done = await client.chat.completions.parse({ model: MODEL, messages, tools, tool_choice: 'required' });
  const [call] = done.choices[0].message.tool_calls;
  assert.equal(done.choices[0].finish_reason, 'tool_calls');
  assert.equal(call.function.name, 'paint');
  schema.parse(call.function.parsed_arguments);
});

test('openai tool streamed', async () => {
  const stream = client.chat.completions.stream({ model: MODEL, messages, tools, tool_choice: 'required' });
  let pieces = 0;
  stream.on('tool_calls.function.arguments.delta', () => pieces++);
  const done = await stream.finalChatCompletion();
  schema.parse(JSON.parse(done.choices[0].message.tool_calls[0].function.arguments));
  assert.ok(pieces > 2, `${pieces} pieces`);
});

// --- the AI SDK, with each of its providers ---

const openai = createOpenAI({ baseURL, apiKey: KEY });
const models = {
  'openai-responses': openai(MODEL),
  'openai-chat': openai.chat(MODEL),
  anthropic: createAnthropic({ baseURL, apiKey: KEY })(MODEL),
  'openai-compatible': createOpenAICompatible({ name: 'hostler', baseURL, apiKey: KEY, supportsStructuredOutputs: true })(MODEL),
};
const paint = tool({ description: 'Paints the house.', inputSchema: schema });

for (const [name, model] of Object.entries(models)) {
  test(`${name} object`, async () => {
    const { output } = await generateText({ model, prompt, maxRetries: 0, output: Output.object({ schema }) });
    schema.parse(output);
  });

  test(`${name} tool`, async () => {
    const { toolCalls, finishReason } = await generateText({ model, prompt, maxRetries: 0, tools: { paint }, toolChoice: 'required' });
    assert.equal(finishReason, 'tool-calls');
    assert.ok(toolCalls.length > 0);
    for (const call of toolCalls) schema.parse(call.input);
  });

  test(`${name} tool streamed`, async () => {
    const result = streamText({ model, prompt, maxRetries: 0, tools: { paint }, toolChoice: { type: 'tool', toolName: 'paint' } });
    const calls = await result.toolCalls;
    assert.ok(calls.length > 0 && !calls.some((call) => call.invalid));
    for (const call of calls) schema.parse(call.input);
  });
}
