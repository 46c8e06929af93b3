// One conversation with a stock Node client: node node_client.cjs CLIENT URL, packages in $LLAMA_SPEECH_NODE.
// CLIENT: openai-ws (plain), openai-websocket (browser form), agents. Speech (PCM 24 kHz) comes on standard
// input; one JSON object goes out. The course is that of conversation.py: a turn, an interruption, a call.
const { createRequire } = require("node:module");
const need = createRequire(`${process.env.LLAMA_SPEECH_NODE}/index.js`);
const speech = require("node:fs").readFileSync(0);
const [client, url] = process.argv.slice(2);
const report = { errors: [], ignored: [], turns: 0, sound: 0, sound_after: 0, transcripts: [] };
const GET_TIME = {
  type: "function", name: "get_time", description: "The time of day in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};

function finish() {
  console.log(JSON.stringify(report));
  process.exit(0);
}
setTimeout(() => { report.errors.push("timeout"); finish(); }, 150000);
process.on("uncaughtException", (error) => { report.errors.push(`uncaught: ${error.message}`); finish(); });

/** Leads through the conversation; `speak` sends the speech, `act` does what a kit does by itself. */
function watch(speak, act) {
  let interrupting = false, cut = false;
  return (event) => {
    if (event.type === "error") report.errors.push(JSON.stringify(event.error ?? event.message).slice(0, 300));
    if (event.type === "input_audio_buffer.committed") report.turns += 1;
    if (event.type === "input_audio_buffer.speech_started" && interrupting) cut = true;
    if (event.type === "conversation.item.truncated") report.truncated_ms = event.audio_end_ms;
    if (event.type === "response.output_audio.delta") {
      const bytes = Buffer.from(event.delta, "base64").length;
      report.sound += bytes;
      if (cut && report.turns === 2) report.sound_after += bytes;
      if (report.turns === 2 && !interrupting) { interrupting = true; speak(); }
    }
    if (event.type === "response.done") done(event.response, speak, act);
  };
}

function done(response, speak, act) {
  const item = response.output[0];
  if (report.turns === 1) { report.first = response.status; speak(); }
  else if (response.status === "cancelled") {
    report.interrupted = response.status_details.reason;
    act("truncate", item);
  } else if (item?.type === "function_call") {
    report.called = { name: item.name, arguments: item.arguments };
    act("answer", item);
  } else if (report.called) { report.told = item?.content[0].transcript; setTimeout(finish, 300); }
}

function plain(path, className) {
  const OpenAI = need("openai").default;
  const Realtime = need(path)[className];
  const openai = new OpenAI({ apiKey: "test", baseURL: `${url}/v1`, dangerouslyAllowBrowser: true });
  const rt = new Realtime({ model: "m", dangerouslyAllowBrowser: true }, openai);
  const speak = () => feed((part) => rt.send({ type: "input_audio_buffer.append", audio: part.toString("base64") }));
  const act = (what, item) => {
    if (what === "truncate") rt.send({ type: "conversation.item.truncate", item_id: item.id, content_index: 0, audio_end_ms: 300 });
    else {
      rt.send({ type: "conversation.item.create", item: { type: "function_call_output", call_id: item.call_id, output: "12:00" } });
      rt.send({ type: "response.create" });
    }
  };
  rt.on("event", watch(speak, act));
  rt.on("error", (error) => report.errors.push(error.message));
  rt.on("conversation.item.input_audio_transcription.completed", (event) => report.transcripts.push(event.transcript));
  rt.on("session.created", () => {
    rt.send({ type: "session.update", session: { type: "realtime", tools: [GET_TIME], audio: { input: { transcription: { model: "w" } } } } });
    speak();
  });
}

async function agents() {
  const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebSocket, tool } = need("@openai/agents-realtime");
  const getTime = tool({ ...GET_TIME, strict: false, execute: async () => "12:00" });
  const transport = new OpenAIRealtimeWebSocket({ url: `${url.replace("http", "ws")}/v1/realtime`, useInsecureApiKey: true });
  const agent = new RealtimeAgent({ name: "a", instructions: "Be nice.", tools: [getTime] });
  const session = new RealtimeSession(agent, { transport, model: "m" });
  console.error = (...words) => { report.ignored.push(words.join(" ").slice(0, 300)); };
  console.warn = console.error;
  const speak = () => feed((part) => session.sendAudio(part.buffer.slice(part.byteOffset, part.byteOffset + part.length)));
  session.on("error", (error) => report.errors.push(JSON.stringify(error.error ?? error).slice(0, 300)));
  session.on("audio_interrupted", () => { report.kit_interrupted = true; });
  session.on("agent_tool_end", (...words) => { report.kit_tool = words.at(-2); });
  session.on("history_updated", (history) => { report.history = history.map((one) => one.role ?? one.type); });
  transport.on("*", watch(speak, () => {}));
  await session.connect({ apiKey: "test" });
  speak();
}

function feed(send) {
  for (let start = 0; start < speech.length; start += 9600) send(speech.subarray(start, start + 9600));
}

if (client === "agents") agents().catch((error) => { report.errors.push(error.message); finish(); });
else if (client === "openai-ws") plain("openai/realtime/ws", "OpenAIRealtimeWS");
else plain("openai/realtime/websocket", "OpenAIRealtimeWebSocket");
