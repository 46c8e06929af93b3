// One turn with a stock Node client: node node_clients.cjs CLIENT URL, packages in the folder $LLAMA_SPEECH_NODE.
// Speech (PCM 24 kHz) comes on standard input; one JSON object goes out.
const { createRequire } = require("node:module");
const need = createRequire(`${process.env.LLAMA_SPEECH_NODE}/index.js`);
const speech = require("node:fs").readFileSync(0);
const [client, url] = process.argv.slice(2);
const report = { kinds: [], ignored: [], errors: [], sound: 0 };

function finish() {
  console.log(JSON.stringify(report));
  process.exit(0);
}
setTimeout(() => { report.errors.push("timeout"); finish(); }, 120000);
process.on("uncaughtException", (error) => { report.errors.push(`uncaught: ${error.message}`); finish(); });

function feed(send) {
  for (let start = 0; start < speech.length; start += 9600) send(speech.subarray(start, start + 9600));
}

function plain(path, className) {
  const OpenAI = need("openai").default;
  const Realtime = need(path)[className];
  const openai = new OpenAI({ apiKey: "test", baseURL: `${url}/v1`, dangerouslyAllowBrowser: true });
  const rt = new Realtime({ model: "m", dangerouslyAllowBrowser: true }, openai);
  rt.on("event", (event) => report.kinds.push(event.type));
  rt.on("error", (error) => report.errors.push(error.message));
  rt.on("session.created", () => {
    rt.send({ type: "session.update", session: { type: "realtime", audio: { input: { transcription: { model: "w" } } } } });
    feed((part) => rt.send({ type: "input_audio_buffer.append", audio: part.toString("base64") }));
  });
  rt.on("response.output_audio.delta", (event) => { report.sound += Buffer.from(event.delta, "base64").length; });
  rt.on("response.done", (event) => { report.status = event.response.status; finish(); });
}

async function agents() {
  const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebSocket, tool } = need("@openai/agents-realtime");
  const transport = new OpenAIRealtimeWebSocket({ url: `${url.replace("http", "ws")}/v1/realtime`, useInsecureApiKey: true });
  const agent = new RealtimeAgent({ name: "a", instructions: "Be nice." });
  const session = new RealtimeSession(agent, { transport, model: "m" });
  const warn = console.error;
  console.error = (...words) => { report.ignored.push(words.join(" ").slice(0, 300)); };
  console.warn = console.error;
  session.on("error", (error) => report.errors.push(JSON.stringify(error.error ?? error).slice(0, 300)));
  session.on("audio", (event) => { report.sound += event.data.byteLength; });
  transport.on("*", (event) => report.kinds.push(event.type));
  session.on("agent_end", () => setTimeout(() => { report.status = "completed"; report.history = session.history.map((one) => one.role); finish(); }, 500));
  await session.connect({ apiKey: "test" });
  feed((part) => session.sendAudio(part.buffer.slice(part.byteOffset, part.byteOffset + part.length)));
}

if (client === "agents") agents().catch((error) => { report.errors.push(error.message); finish(); });
else if (client === "openai-ws") plain("openai/realtime/ws", "OpenAIRealtimeWS");
else plain("openai/realtime/websocket", "OpenAIRealtimeWebSocket");
