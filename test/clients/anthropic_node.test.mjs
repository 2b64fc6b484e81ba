// SPDX-License-Identifier: Apache-2.0
// The official Node.js SDK of Anthropic, started by test_node.py.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FEW, GATE, KEY, aborted, ask, lastBody, load, script, until } from './common.mjs';

const Anthropic = load('@anthropic-ai/sdk');
const question = { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] };
const tools = [{ name: 'clock', input_schema: { type: 'object', properties: { zone: { type: 'string' } } } }];

function clientOf(options = {}) {
  return new Anthropic({ baseURL: GATE, apiKey: KEY, maxRetries: 0, ...options });
}
const client = clientOf();

async function textOf(stream) {
  let text = '';
  for await (const event of stream) if (event.type === 'content_block_delta') text += event.delta.text ?? '';
  return text;
}

test.beforeEach(() => ask('/mock/reset', {}));

test('message', async () => {
  const { data, request_id: id } = await client.messages.create({ ...question, max_tokens: 3 }).withResponse();
  assert.equal(data.content[0].text, 't0 t1 t2 ');
  assert.equal(data.stop_reason, 'max_tokens');
  assert.equal(data.usage.output_tokens, 3);
  assert.ok(id);
});

test('below /anthropic, with a token', async () => {
  await script('Hi.');
  const other = clientOf({ baseURL: `${GATE}/anthropic`, apiKey: null, authToken: KEY });
  assert.equal((await other.messages.create(question)).content[0].text, 'Hi.');
});

test('stream', async () => {
  await script('One two three.');
  assert.equal(await textOf(await client.messages.create({ ...question, stream: true })), 'One two three.');
});

test('stream helper with a tool', async () => {
  await script({ say: ['Wait. ', { call: { id: 'call_1', name: 'clock', arguments: { zone: 'UTC' } } }] }, 'Noon.');
  const inputs = [];
  const stream = client.messages.stream({ ...question, tools }).on('inputJson', (part) => inputs.push(part));
  const message = await stream.finalMessage();
  const call = message.content.find((block) => block.type === 'tool_use');
  assert.deepEqual(call.input, { zone: 'UTC' });
  assert.deepEqual(JSON.parse(inputs.join('')), call.input);
  assert.equal(message.stop_reason, 'tool_use');
  const messages = [...question.messages, { role: 'assistant', content: message.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'twelve' }] }];
  assert.equal((await client.messages.create({ ...question, messages, tools })).content[0].text, 'Noon.');
  const { messages: sent } = await lastBody();
  assert.deepEqual(sent.map((m) => m.role), ['user', 'assistant', 'tool']);
  assert.equal(sent[2].content, 'twelve');
  assert.equal(sent[2].tool_call_id, sent[1].tool_calls[0].id);
});

test('thinking goes and comes back', async () => {
  await script({ say: [{ reasoning: 'Hm. ' }, 'Two.'] }, 'Three.');
  const message = await client.messages.stream({ ...question, thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 }).finalMessage();
  assert.equal(message.content[0].thinking, 'Hm. ');
  assert.ok(message.content[0].signature);
  const messages = [...question.messages, { role: 'assistant', content: message.content }, { role: 'user', content: 'And?' }];
  assert.equal((await client.messages.create({ ...question, messages })).content[0].text, 'Three.');
});

test('errors have their classes', async () => {
  const cases = [
    [() => client.messages.create({ ...question, model: 'none' }), Anthropic.NotFoundError, 404, 'not_found_error'],
    [() => client.messages.create({ ...question, messages: [{ role: 7, content: 'x' }] }), Anthropic.BadRequestError, 400, 'invalid_request_error'],
    [() => clientOf({ apiKey: 'sk-wrong-0123456' }).messages.create(question), Anthropic.AuthenticationError, 401, 'authentication_error'],
    [() => clientOf({ apiKey: FEW }).messages.create({ ...question, model: 'other' }), Anthropic.PermissionDeniedError, 403, 'permission_error'],
  ];
  for (const [request, kind, status, type] of cases) {
    await assert.rejects(request, (error) => {
      assert.ok(error instanceof kind, `${status}: ${error}`);
      assert.equal(error.status, status);
      assert.equal(error.error.error.type, type);
      assert.ok(error.requestID);
      return true;
    });
  }
});

test('errors of the runtime have their classes', async () => {
  for (const [status, kind, type] of [[429, Anthropic.RateLimitError, 'rate_limit_error'], [500, Anthropic.InternalServerError, 'api_error'],
    [400, Anthropic.BadRequestError, 'invalid_request_error'], [503, Anthropic.InternalServerError, 'overloaded_error']]) {
    await ask('/mock/knobs', { status });
    for (const stream of [true, false]) {
      await assert.rejects(client.messages.create({ ...question, stream }), (error) => {
        assert.ok(error instanceof kind, `${status}: ${error}`);
        assert.equal(error.error.error.type, type);
        return true;
      });
    }
  }
});

test('a broken stream is an error', async () => {
  for (const knobs of [{ die_after: 2 }, { die_after: 2, die: 'rst' }, { error_after: 2 }, { no_done: true }]) {
    await script({ knobs }, { knobs });
    await assert.rejects(async () => textOf(await client.messages.create({ ...question, stream: true })), Anthropic.APIError, JSON.stringify(knobs));
    await assert.rejects(client.messages.stream(question).finalMessage(), Anthropic.AnthropicError, JSON.stringify(knobs));
  }
});

test('break out of a stream', async () => {
  await script({ knobs: { tokens: 9, stall_after: 2 } });
  for await (const event of await client.messages.create({ ...question, stream: true })) if (event.type === 'content_block_delta') break;
  await aborted();
});

test('abort of a request that waits', async () => {
  await ask('/mock/knobs', { ttft_ms: 60000 });
  const controller = new AbortController();
  const refused = assert.rejects(client.messages.create(question, { signal: controller.signal }), Anthropic.APIUserAbortError);
  await until(async () => (await ask('/mock/stats')).active === 1, 'it arrived');
  controller.abort();
  await refused;
  await aborted();
});

test('many at once', async () => {
  await ask('/mock/knobs', { echo: true });
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const own = { ...question, messages: [{ role: 'user', content: `number ${i}` }] };
    if (i % 2) return (await client.messages.create(own)).content[0].text;
    return textOf(await client.messages.create({ ...own, stream: true }));
  }));
  assert.deepEqual(answers, Array.from({ length: 40 }, (_, i) => `number ${i}`));
});
