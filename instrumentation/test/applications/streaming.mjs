import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import OpenAI from 'openai';

/* An ES module that passes a language model's words on as they come, and knows nothing of metrics. */

const client = new OpenAI({ maxRetries: 0 });

const server = createServer(async (request, response) => {
  try {
    const { model } = JSON.parse(await text(request));
    const stream = await client.chat.completions.create({ model, messages: [], stream: true });
    for await (const chunk of stream) response.write(chunk.choices[0]?.delta.content ?? '');
    response.end();
  } catch (error) {
    if (response.headersSent) response.destroy(error);
    else response.writeHead(502).end(String(error));
  }
});

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
