// SPDX-License-Identifier: Apache-2.0
// The official Node.js SDK against a gateway and a mock runtime that test_openai_node.py started: GATE and MOCK are their
// addresses, KEY is the API key.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';

const require = createRequire(path.join(process.env.NODE_PATH, 'package.json'));
const OpenAI = require('openai');

const { GATE, MOCK, KEY, FEW } = process.env;
const messages = [{ role: 'user', content: 'hello' }];

function clientOf(options = {}) {
  return new OpenAI({ baseURL: `${GATE}/v1`, apiKey: KEY, maxRetries: 0, ...options });
}
const client = clientOf();

async function ask(target, body) {
  const answer = await fetch(`${MOCK}${target}`, body ? { method: 'POST', body: JSON.stringify(body) } : {});
  return answer.json();
}

async function until(look, what) {
  const end = Date.now() + 15000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
  return text;
}

test.beforeEach(() => ask('/mock/reset', {}));

test('chat', async () => {
  const { data, request_id: id } = await client.chat.completions.create({ model: 'm', messages, max_tokens: 3 }).withResponse();
  assert.equal(data.choices[0].message.content, 't0 t1 t2 ');
  assert.equal(data.usage.completion_tokens, 3);
  assert.match(id, /^req_/);
});

test('chat by alias', async () => {
  assert.equal((await client.chat.completions.create({ model: 'org/nick:1', messages })).model, 'm');
});

test('stream', async () => {
  const stream = await client.chat.completions.create({ model: 'm', messages, max_tokens: 5, stream: true });
  assert.equal(await textOf(stream), 't0 t1 t2 t3 t4 ');
});

test('stream with usage', async () => {
  const chunks = [];
  const stream = await client.chat.completions.create({
    model: 'm', messages, max_tokens: 5, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(chunks.at(-1).usage.completion_tokens, 5);
  assert.deepEqual(chunks.at(-1).choices, []);
});

test('stream without usage', async () => {
  const stream = await client.chat.completions.create({ model: 'm', messages, max_tokens: 5, stream: true });
  for await (const chunk of stream) {
    assert.equal(chunk.choices.length, 1);
    assert.ok(!chunk.usage);
  }
});

test('stream helper', async () => {
  const stream = client.chat.completions.stream({ model: 'm', messages, max_tokens: 4 });
  assert.equal(await stream.finalContent(), 't0 t1 t2 t3 ');
});

test('completions', async () => {
  const answer = await client.completions.create({ model: 'm', prompt: 'x', max_tokens: 2 });
  assert.equal(answer.choices[0].text, 't0 t1 ');
});

test('embeddings', async () => {
  const byDefault = await client.embeddings.create({ model: 'm', input: ['a', 'b'] });
  const asFloat = await client.embeddings.create({ model: 'm', input: ['a', 'b'], encoding_format: 'float' });
  const asBase64 = await client.embeddings.create({ model: 'm', input: ['a', 'b'], encoding_format: 'base64' });
  for (let i = 0; i < 2; i++) {
    assert.equal(asFloat.data[i].embedding.length, 8);
    assert.equal(typeof asBase64.data[i].embedding, 'string');
    const bytes = Buffer.from(asBase64.data[i].embedding, 'base64');
    for (let k = 0; k < 8; k++) {
      assert.ok(Math.abs(byDefault.data[i].embedding[k] - asFloat.data[i].embedding[k]) < 1e-6);
      assert.ok(Math.abs(bytes.readFloatLE(4 * k) - asFloat.data[i].embedding[k]) < 1e-6);
    }
  }
});

test('models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ['m', 'org/nick:1', 'other']);
  assert.equal((await client.models.retrieve('org/nick:1')).id, 'org/nick:1');
});

test('errors have their classes', async () => {
  const chat = (fields, c = client) => c.chat.completions.create({ model: 'm', messages, ...fields });
  const cases = [
    [() => chat({ model: 'none' }), OpenAI.NotFoundError, 404, 'model_not_found'],
    [() => chat({ stream_options: 7 }), OpenAI.BadRequestError, 400],
    [() => clientOf({ apiKey: 'sk-wrong-0123456' }).models.list(), OpenAI.AuthenticationError, 401, 'invalid_api_key'],
    [() => chat({ model: 'other' }, clientOf({ apiKey: FEW })), OpenAI.PermissionDeniedError, 403, 'model_not_allowed'],
    [() => chat({ mock: { status: 409 } }), OpenAI.ConflictError, 409],
    [() => chat({ mock: { status: 422 } }), OpenAI.UnprocessableEntityError, 422],
    [() => chat({ mock: { status: 429 } }), OpenAI.RateLimitError, 429],
    [() => chat({ mock: { status: 500 } }), OpenAI.InternalServerError, 500],
  ];
  for (const [request, kind, status, code] of cases) {
    await assert.rejects(request, (error) => {
      assert.ok(error instanceof kind, `${status}: ${error}`);
      assert.equal(error.status, status);
      assert.ok(error.requestID);
      if (code) assert.equal(error.code, code);
      return true;
    });
  }
});

test('a broken stream is an error', async () => {
  for (const mock of [{ die_after: 2 }, { die_after: 2, die: 'rst' }, { error_after: 2 }, { no_done: true }]) {
    const stream = await client.chat.completions.create({ model: 'm', messages, stream: true, mock });
    await assert.rejects(() => textOf(stream), OpenAI.APIError, JSON.stringify(mock));
  }
});

test('the SDK retries', async () => {
  for (const status of [429, 500]) {
    await ask('/mock/reset', {});
    await ask('/mock/knobs', { status, fail_first: 1 });
    const retrying = clientOf({ maxRetries: 2, defaultHeaders: { 'x-request-id': `again-${status}` } });
    const answer = await retrying.chat.completions.create({ model: 'm', messages, max_tokens: 1 });
    assert.equal(answer.choices[0].message.content, 't0 ');
    assert.equal((await ask('/mock/stats')).requests, 2);
  }
});

test('abort of a stream', async () => {
  const stream = await client.chat.completions.create({ model: 'm', messages, stream: true, mock: { stall_after: 2 } });
  await stream[Symbol.asyncIterator]().next();
  stream.controller.abort();
  const [abort] = await until(async () => (await ask('/mock/stats')).aborts.length && (await ask('/mock/stats')).aborts, 'seen');
  assert.equal(abort.phase, 'streaming');
});

test('break out of a stream', async () => {
  const stream = await client.chat.completions.create({ model: 'm', messages, stream: true, mock: { stall_after: 2 } });
  for await (const chunk of stream) {
    assert.ok(chunk);
    break;
  }
  await until(async () => (await ask('/mock/stats')).aborted === 1, 'seen');
});

test('abort of a request that waits', async () => {
  for (const stream of [true, false]) {
    await ask('/mock/reset', {});
    const controller = new AbortController();
    const request = client.chat.completions.create({ model: 'm', messages, stream, mock: { ttft_ms: 60000 } },
      { signal: controller.signal });
    const refused = assert.rejects(request, OpenAI.APIUserAbortError);
    await until(async () => (await ask('/mock/stats')).active === 1, 'it arrived');
    controller.abort();
    await refused;
    await until(async () => (await ask('/mock/stats')).aborted === 1, 'seen');
  }
});

test('timeout', async () => {
  await assert.rejects(client.chat.completions.create({ model: 'm', messages, mock: { ttft_ms: 60000 } }, { timeout: 300 }),
    OpenAI.APIConnectionTimeoutError);
  await until(async () => (await ask('/mock/stats')).aborted === 1, 'seen');
});

test('many at once', async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const own = [{ role: 'user', content: `number ${i}` }];
    const mock = { echo: true };
    if (i % 2) return (await client.chat.completions.create({ model: 'm', messages: own, mock })).choices[0].message.content;
    return textOf(await client.chat.completions.create({ model: 'm', messages: own, stream: true, mock }));
  }));
  assert.deepEqual(answers, Array.from({ length: 40 }, (_, i) => `number ${i}`));
});
