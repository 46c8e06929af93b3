// Sound in and out: the microphone as base64 PCM, and answers played one block behind the other.
const RATE = 24000;

export function toBase64(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

export function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const pcm = new Int16Array(bytes.buffer, 0, bytes.length >> 1);
  return Float32Array.from(pcm, (value) => value / 32768);
}

export class Sound {
  constructor() {
    this.context = null;
    this.input = null; // context of the microphone
    this.stream = null;
    this.playing = new Map(); // item id -> [{ source, start, length }], in seconds
    this.end = 0;
    this.played = 0; // samples given to the loudspeaker, for tests
  }

  // Browsers allow sound only after a gesture.
  async open() {
    this.context ??= new AudioContext({ sampleRate: RATE });
    await this.context.resume();
  }

  async listen(heard) {
    await this.open();
    const echo = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: echo });
    try {
      this.input = this.context;
      this.source = this.input.createMediaStreamSource(this.stream);
    } catch { // some browsers take a microphone only at its own rate: the worklet then changes it
      this.input = new AudioContext();
      await this.input.resume();
      this.source = this.input.createMediaStreamSource(this.stream);
    }
    await this.input.audioWorklet.addModule(new URL("microphone.js", import.meta.url));
    this.node = new AudioWorkletNode(this.input, "microphone", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => heard(data.pcm, data.level);
    this.source.connect(this.node);
  }

  mute() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.source?.disconnect();
    if (this.input !== this.context) this.input?.close();
    this.stream = null;
  }

  play(item, samples) {
    if (!this.context) return;
    const buffer = this.context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    this.end = Math.max(this.end, this.context.currentTime + 0.02);
    source.start(this.end);
    const block = { source, start: this.end, length: samples.length / RATE };
    if (this.playing.has(item)) this.playing.get(item).push(block);
    else this.playing.set(item, [block]);
    this.end += block.length;
    this.played += samples.length;
  }

  get sounding() {
    return this.context !== null && this.end > this.context.currentTime;
  }

  // Silence at once; what was heard of each item that was still playing, in milliseconds. Sound comes at the
  // pace it is played, with gaps where the user seemed to speak: those were not heard.
  stop() {
    const heard = [];
    for (const [item, blocks] of this.playing) {
      const now = this.context.currentTime;
      const ms = 1000 * blocks.reduce((sum, one) => sum + Math.max(0, Math.min(one.length, now - one.start)), 0);
      if (now < blocks.at(-1).start + blocks.at(-1).length) heard.push([item, Math.floor(ms)]);
      blocks.forEach(({ source }) => source.stop());
    }
    this.playing.clear();
    this.end = 0;
    return heard;
  }
}
