// AudioWorklet: the microphone as 16-bit PCM at 24 kHz, in blocks of 40 ms, with their level.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / 24000;
    this.place = 0;
    this.last = 0;
    this.block = new Int16Array(960);
    this.count = 0;
    this.power = 0;
  }

  process(inputs) {
    const input = inputs[0][0];
    if (!input) return true;
    // Linear interpolation between neighbours; at 24 kHz, the rate the page asks for, samples pass as they are.
    while (this.place < input.length) {
      const before = Math.floor(this.place);
      const a = before === 0 ? this.last : input[before - 1];
      this.push(a + (input[before] - a) * (this.place - before));
      this.place += this.step;
    }
    this.place -= input.length;
    this.last = input[input.length - 1];
    return true;
  }

  push(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.power += clipped * clipped;
    this.block[this.count++] = Math.round(clipped * 32767);
    if (this.count < this.block.length) return;
    this.port.postMessage({ pcm: this.block.buffer, level: Math.sqrt(this.power / this.count) }, [this.block.buffer]);
    this.block = new Int16Array(960);
    this.count = 0;
    this.power = 0;
  }
}
registerProcessor("microphone", Microphone);
