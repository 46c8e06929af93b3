// The page: one conversation over the Realtime protocol, resumed after a dropped connection.
import { Sound, fromBase64, toBase64 } from "./sound.js";

const find = (id) => document.getElementById(id);
const sound = new Sound();
const items = new Map(); // item id -> list element
const history = []; // { id, role, text }: told again to a new connection
let socket = null;
let ready = false;
let wanted = false;
let retryMs = 500;
let retry = 0; // timer
let talking = false;
let turnEnded = 0;
let answering = null;
let waiting = []; // messages written before the connection was ready

export const page = { sound, items, history, get state() { return find("state").textContent; }, drop: () => socket?.close(4000, "dropped") };
globalThis.page = page;

function show(text, wrong = false) {
  find("state").textContent = text;
  find("state").classList.toggle("wrong", wrong);
}

function send(event) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
}

function bubble(id, role) {
  if (!items.has(id)) {
    const line = document.createElement("li");
    line.className = role;
    find("talk").append(line);
    items.set(id, line);
  }
  return items.get(id);
}

function write(id, role, text) {
  const line = bubble(id, role);
  line.textContent = text;
  line.classList.remove("waiting");
  line.scrollIntoView({ block: "end" });
  const known = history.find((one) => one.id === id);
  if (known) known.text = text;
  else history.push({ id, role, text });
}

function add(id, role, delta) {
  const line = items.get(id);
  write(id, role, (line && !line.classList.contains("waiting") ? line.textContent : "") + delta);
}

// The place of what the user is saying, until its words are known.
function listening(id) {
  if (items.has(id)) return;
  const line = bubble(id, "user");
  line.textContent = "…";
  line.classList.add("waiting");
  line.scrollIntoView({ block: "end" });
}

// Nothing was said after all: it is shown, but not told again.
function wordless(id, text) {
  const place = history.findIndex((one) => one.id === id);
  if (place >= 0) history.splice(place, 1);
  const line = bubble(id, "user");
  line.textContent = text;
  line.classList.add("waiting");
}

function note(text) {
  const line = document.createElement("li");
  line.className = "note";
  line.textContent = text;
  find("talk").append(line);
  line.scrollIntoView({ block: "end" });
}

function settings() {
  const language = find("language").value;
  const input = { transcription: language ? { language } : {}, turn_detection: { type: find("turns").value } };
  const chosen = { type: "realtime", audio: { input } };
  chosen.output_modalities = [find("modality").value];
  if (find("instructions").value) chosen.instructions = find("instructions").value;
  return chosen;
}

function connect() {
  wanted = true;
  ready = false;
  show("connecting");
  const address = new URL("v1/realtime", location.href.replace(/^http/, "ws").replace(/[?#].*$/, ""));
  const key = find("key").value;
  socket = new WebSocket(address, key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"]);
  socket.onmessage = ({ data }) => take(JSON.parse(data));
  socket.onclose = lost;
}

function lost(event) {
  ready = false;
  answering = null;
  sound.stop();
  find("stop-button").disabled = true;
  for (const line of document.querySelectorAll("#talk li.waiting")) if (line.textContent === "…") line.textContent = "(connection lost)";
  if (!wanted) return show("not connected");
  if (event.code === 1008) {
    wanted = false;
    return show(event.reason || "the server refused the connection", true);
  }
  show(`connection lost, trying again in ${Math.round(retryMs / 100) / 10} s`, true);
  retry = setTimeout(connect, retryMs);
  retryMs = Math.min(2 * retryMs, 8000);
}

// Back on the network: there is no need to wait.
function hurry() {
  if (wanted && socket?.readyState === WebSocket.CLOSED) {
    clearTimeout(retry);
    connect();
  }
}

function start(session) {
  ready = true;
  const speaks = session.output_modalities[0] === "audio";
  if (!speaks) find("modality").value = "text";
  find("modality").disabled = !speaks;
  send({ type: "session.update", session: settings() });
  for (const { id, role, text } of history) {
    if (!text) continue;
    const part = { type: role === "user" ? "input_text" : "output_text", text };
    send({ type: "conversation.item.create", item: { id, type: "message", role, content: [part] } });
  }
  waiting.splice(0).forEach(ask);
  show(talking ? "listening" : "connected");
}

function measure(what) {
  if (!turnEnded) return;
  find("latency").textContent = `${what} after ${Math.round(performance.now() - turnEnded)} ms`;
  turnEnded = 0;
}

function interrupt() {
  for (const [item, ms] of sound.stop()) {
    send({ type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: ms });
    send({ type: "conversation.item.retrieve", item_id: item });
  }
}

const takers = {
  "session.created": ({ session }) => start(session),
  "input_audio_buffer.speech_started": ({ item_id }) => { interrupt(); listening(item_id); show("listening: you speak"); },
  "input_audio_buffer.speech_stopped": () => { turnEnded = performance.now(); show("thinking"); },
  "conversation.item.added": ({ item }) => { if (item.role === "user") listening(item.id); },
  "conversation.item.input_audio_transcription.delta": ({ item_id, delta }) => add(item_id, "user", delta),
  "conversation.item.input_audio_transcription.completed": ({ item_id, transcript }) => {
    if (transcript) write(item_id, "user", transcript);
    else wordless(item_id, "(no words)");
  },
  "conversation.item.input_audio_transcription.failed": ({ item_id, error }) => wordless(item_id, `(${error.message})`),
  "response.created": ({ response }) => { answering = response.id; retryMs = 500; find("stop-button").disabled = false; },
  "response.output_text.delta": ({ item_id, delta }) => { measure("first text"); add(item_id, "assistant", delta); show("answering"); },
  "response.output_audio_transcript.delta": ({ item_id, delta }) => { add(item_id, "assistant", delta); },
  "response.output_audio.delta": ({ item_id, delta }) => { measure("first sound"); sound.play(item_id, fromBase64(delta)); show("answering"); },
  "response.done": ({ response }) => {
    answering = null;
    find("stop-button").disabled = !sound.sounding;
    if (response.status === "failed") note(response.status_details.error.message);
    if (response.status !== "cancelled") return show(talking ? "listening" : "connected");
    for (const { id } of response.output) items.get(id)?.classList.add("unheard"); // what was sent may all be heard
  },
  "conversation.item.retrieved": ({ item }) => {
    if (item.role === "assistant") write(item.id, "assistant", item.content[0]?.transcript ?? "");
    items.get(item.id)?.classList.add("unheard");
  },
  error: ({ error }) => { if (error.code !== "response_cancel_not_active") note(error.message); },
};

function take(event) {
  takers[event.type]?.(event);
}

function ask(text) {
  const id = `page_${crypto.getRandomValues(new Uint32Array(3)).join("")}`.slice(0, 32);
  write(id, "user", text);
  interrupt();
  if (answering) send({ type: "response.cancel" });
  send({ type: "conversation.item.create", item: { id, type: "message", role: "user", content: [{ type: "input_text", text }] } });
  turnEnded = performance.now();
  send({ type: "response.create", response: { output_modalities: [find("modality").value] } });
}

async function toggleTalking() {
  if (talking) {
    talking = false;
    sound.mute();
    find("level").value = 0;
    show(ready ? "connected" : "not connected");
  } else {
    try {
      await sound.listen((pcm, level) => {
        find("level").value = talking ? Math.min(1, 4 * level) : 0;
        if (ready) send({ type: "input_audio_buffer.append", audio: toBase64(pcm) });
      });
    } catch (problem) {
      return show(`no microphone: ${problem.message}`, true);
    }
    talking = true;
    if (!socket || socket.readyState > WebSocket.OPEN) connect();
    else if (ready) show("listening");
  }
  find("talk-button").textContent = talking ? "Stop talking" : "Start talking";
  find("talk-button").setAttribute("aria-pressed", String(talking));
}

find("talk-button").onclick = toggleTalking;
function stopAnswer() {
  if (answering) send({ type: "response.cancel" });
  interrupt();
  find("stop-button").disabled = true;
  if (ready) show(talking ? "listening" : "connected");
}

find("stop-button").onclick = stopAnswer;
document.onkeydown = (event) => { if (event.key === "Escape") stopAnswer(); };
globalThis.addEventListener("online", hurry);
find("write").onsubmit = async (event) => {
  event.preventDefault();
  const text = find("text").value.trim();
  if (!text) return;
  find("text").value = "";
  await sound.open();
  if (ready) return ask(text);
  waiting.push(text);
  if (!socket || socket.readyState > WebSocket.OPEN) connect();
};
for (const id of ["instructions", "language", "turns", "modality"]) find(id).onchange = () => ready && send({ type: "session.update", session: settings() });
