// SPDX-License-Identifier: Apache-2.0
// The official Node.js SDK of OpenAI, started by test_node.py.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FEW, GATE, KEY, aborted, ask, lastBody, load, script, until } from './common.mjs';

const OpenAI = load('openai');
const messages = [{ role: 'user', content: 'hello' }];

function clientOf(options = {}) {
  return new OpenAI({ baseURL: `${GATE}/v1`, apiKey: KEY, maxRetries: 0, ...options });
}
const client = clientOf();

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
  await aborted();
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
    await aborted();
  }
});

test('timeout', async () => {
  await assert.rejects(client.chat.completions.create({ model: 'm', messages, mock: { ttft_ms: 60000 } }, { timeout: 300 }),
    OpenAI.APIConnectionTimeoutError);
  await aborted();
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

// --- Responses ---

const clock = { type: 'function', name: 'clock', strict: false, parameters: { type: 'object', properties: { zone: { type: 'string' } } } };

test('responses', async () => {
  await script('Hi.');
  const answer = await client.responses.create({ model: 'm', input: 'hello', instructions: 'Be short.' });
  assert.equal(answer.output_text, 'Hi.');
  assert.match(answer.id, /^resp_/);
  assert.equal(answer.status, 'completed');
});

test('responses streamed', async () => {
  await script('One two three.');
  const stream = await client.responses.create({ model: 'm', input: 'hello', stream: true });
  const events = [];
  for await (const event of stream) events.push(event);
  assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
  assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), 'One two three.');
  assert.equal(events.at(-1).type, 'response.completed');
});

test('responses stream helper with a tool', async () => {
  await script({ say: ['Wait. ', { call: { id: 'call_1', name: 'clock', arguments: { zone: 'UTC' } } }] }, 'Noon.');
  const stream = client.responses.stream({ model: 'm', input: 'When?', tools: [clock] });
  const answer = await stream.finalResponse();
  const call = answer.output.find((item) => item.type === 'function_call');
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ['clock', { zone: 'UTC' }]);
  const input = [{ role: 'user', content: 'When?' }, ...answer.output,
    { type: 'function_call_output', call_id: call.call_id, output: 'twelve' }];
  assert.equal((await client.responses.create({ model: 'm', input, tools: [clock] })).output_text, 'Noon.');
  assert.equal((await lastBody()).messages.at(-1).content, 'twelve');
});

test('a broken responses stream is no answer', async () => {
  for (const knobs of [{ die_after: 2 }, { die_after: 2, die: 'rst' }, { error_after: 2 }, { no_done: true }]) {
    await script({ knobs });
    const ended = [];
    await assert.rejects(async () => {
      for await (const event of await client.responses.create({ model: 'm', input: 'hello', stream: true })) ended.push(event.type);
      if (ended.at(-1) === 'response.failed') throw new OpenAI.APIError(undefined, {}, 'failed');
    }, OpenAI.APIError, JSON.stringify(knobs));
    assert.ok(!ended.includes('response.completed'));
  }
});

test('abort of a responses stream', async () => {
  await script({ knobs: { tokens: 9, stall_after: 2 } });
  const stream = await client.responses.create({ model: 'm', input: 'hello', stream: true });
  for await (const event of stream) if (event.type === 'response.output_text.delta') break;
  await aborted();
});

test('responses errors have their classes', async () => {
  await assert.rejects(client.responses.create({ model: 'none', input: 'x' }), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({ model: 'm', input: [{ role: 'user', content: [{ type: 7 }] }] }), OpenAI.BadRequestError);
});
