// SPDX-License-Identifier: Apache-2.0
// The official Node.js SDK of Ollama, started by test_node.py.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FEW, GATE, KEY, aborted, ask, lastBody, load, script } from './common.mjs';

const { Ollama } = load('ollama');
const question = { model: 'm', messages: [{ role: 'user', content: 'hello' }] };
const tools = [{ type: 'function', function: { name: 'clock', description: 'the time',
  parameters: { type: 'object', properties: { zone: { type: 'string' } } } } }];

const clientOf = (key = KEY) => new Ollama({ host: GATE, headers: { authorization: `Bearer ${key}` } });
const client = clientOf();

async function textOf(stream) {
  let text = '';
  for await (const part of stream) text += part.message.content;
  return text;
}

test.beforeEach(() => ask('/mock/reset', {}));

test('chat', async () => {
  const answer = await client.chat({ ...question, options: { num_predict: 3 } });
  assert.equal(answer.message.content, 't0 t1 t2 ');
  assert.equal(answer.done_reason, 'length');
  assert.equal(answer.eval_count, 3);
});

test('stream', async () => {
  await script('One two three.');
  const parts = [];
  for await (const part of await client.chat({ ...question, stream: true })) parts.push(part);
  assert.equal(parts.map((p) => p.message.content).join(''), 'One two three.');
  assert.deepEqual(parts.map((p) => p.done), [...Array(parts.length - 1).fill(false), true]);
});

test('tool', async () => {
  for (const stream of [false, true]) {
    await script({ say: [{ call: { id: 'call_1', name: 'clock', arguments: { zone: 'UTC' } } }] }, 'Noon.');
    const given = await client.chat({ ...question, tools, stream });
    let message = given.message;
    if (stream) for await (const part of given) if (part.message.tool_calls) message = part.message;
    assert.deepEqual(message.tool_calls[0].function.arguments, { zone: 'UTC' });
    const messages = [...question.messages, message, { role: 'tool', tool_name: 'clock', content: 'twelve' }];
    assert.equal((await client.chat({ ...question, messages, tools })).message.content, 'Noon.');
    const { messages: sent } = await lastBody();
    assert.deepEqual(sent.map((m) => m.role), ['user', 'assistant', 'tool']);
    assert.equal(sent[2].tool_call_id, sent[1].tool_calls[0].id);
  }
});

test('thinking', async () => {
  await script({ say: [{ reasoning: 'Hm. ' }, 'Two.'] });
  const answer = await client.chat({ ...question, think: true });
  assert.deepEqual([answer.message.thinking, answer.message.content], ['Hm. ', 'Two.']);
});

test('generate', async () => {
  await script('One two.', 'One two.');
  assert.equal((await client.generate({ model: 'm', prompt: 'Count.' })).response, 'One two.');
  let text = '';
  for await (const part of await client.generate({ model: 'm', prompt: 'Count.', stream: true })) text += part.response;
  assert.equal(text, 'One two.');
});

test('embeddings', async () => {
  const { embeddings } = await client.embed({ model: 'm', input: ['a', 'b'] });
  assert.deepEqual(embeddings.map((e) => e.length), [8, 8]);
  assert.equal((await client.embeddings({ model: 'm', prompt: 'a' })).embedding.length, 8);
});

test('models', async () => {
  assert.deepEqual((await client.list()).models.map((m) => m.name), ['m', 'org/nick:1', 'other']);
  const shown = await client.show({ model: 'm' });
  assert.ok(Array.isArray(shown.capabilities) && shown.model_info);
  assert.match((await client.version()).version, /^\d/);
  assert.ok(Array.isArray((await client.ps()).models));
});

test('errors have their status', async () => {
  const cases = [
    [() => client.chat({ ...question, model: 'none' }), 404],
    [() => client.chat({ ...question, format: 7 }), 400],
    [() => clientOf('sk-wrong-0123456').chat(question), 401],
    [() => clientOf(FEW).chat({ ...question, model: 'other' }), 403],
  ];
  for (const [request, status] of cases) {
    await assert.rejects(request, (error) => {
      assert.equal(error.name, 'ResponseError');
      assert.equal(error.status_code, status);
      assert.ok(error.message);
      return true;
    });
  }
  for (const status of [429, 500]) {
    await ask('/mock/knobs', { status });
    for (const stream of [true, false]) await assert.rejects(client.chat({ ...question, stream }), { name: 'ResponseError', status_code: status });
  }
});

test('a broken stream is an error', async () => {
  for (const knobs of [{ die_after: 2 }, { die_after: 2, die: 'rst' }, { error_after: 2 }, { no_done: true }]) {
    await script({ knobs });
    await assert.rejects(async () => textOf(await client.chat({ ...question, stream: true })), Error, JSON.stringify(knobs));
  }
});

test('abort of a stream', async () => {
  await script({ knobs: { tokens: 9, stall_after: 2 } });
  const stream = await client.chat({ ...question, stream: true });
  await assert.rejects(async () => {
    for await (const part of stream) if (part.message.content) stream.abort();
  }, { name: 'AbortError' });
  await aborted();
});

test('many at once', async () => {
  await ask('/mock/knobs', { echo: true });
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const own = { ...question, messages: [{ role: 'user', content: `number ${i}` }] };
    if (i % 2) return (await client.chat(own)).message.content;
    return textOf(await client.chat({ ...own, stream: true }));
  }));
  assert.deepEqual(answers, Array.from({ length: 40 }, (_, i) => `number ${i}`));
});
