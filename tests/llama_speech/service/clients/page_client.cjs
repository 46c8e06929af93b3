// The page in headless Chromium: speaks from a file, is answered, interrupts, loses its connection, goes on.
// node page_client.cjs URL MICROPHONE.wav FOLDER_FOR_SCREENSHOTS   (playwright-core in $LLAMA_SPEECH_NODE)
const { createRequire } = require("module");
const path = require("path");
const { chromium } = createRequire(path.join(path.resolve(process.env.LLAMA_SPEECH_NODE), "x.js"))("playwright-core");

const [url, microphone, shots] = process.argv.slice(2);
const report = { problems: [], told: [] };

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
      `--use-file-for-fake-audio-capture=${microphone}`, "--autoplay-policy=no-user-gesture-required"],
  });
  const page = await browser.newPage({ viewport: { width: 760, height: 900 } });
  page.on("pageerror", (problem) => report.problems.push(problem.message));
  page.on("console", (line) => { if (line.type() === "error") report.problems.push(line.text()); });
  const seen = () => page.evaluate(() => ({
    state: page.state, played: page.sound.played, disabled: document.getElementById("stop-button").disabled,
    lines: [...document.querySelectorAll("#talk li")].map((line) => [line.className, line.textContent]),
  }));
  const until = (what) => page.waitForFunction(what, null, { timeout: 90_000 });
  await page.goto(url);

  // By keyboard alone: the first control is the conversation, then the button.
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  report.focused = await page.evaluate(() => document.activeElement.id);
  await page.keyboard.press("Enter");
  await until(() => page.history.some((one) => one.role === "user" && one.text));
  await until(() => page.history.some((one) => one.role === "assistant" && one.text) && page.sound.played > 0);
  report.first = await seen();
  await until(() => document.querySelector("#talk li.unheard") !== null); // the file begins again and interrupts
  report.interrupted = await seen();
  await page.keyboard.press("Tab"); // away from the button, which would take the Enter of the form
  await page.click("#talk-button");

  await page.evaluate(() => { page.drop(); });
  await until(() => page.state === "connected");
  report.resumed = await seen();
  await page.fill("#text", "Are you still there?");
  await page.keyboard.press("Enter");
  const before = (await seen()).lines.filter(([kind]) => kind.startsWith("assistant")).length;
  await page.waitForFunction((count) => {
    const lines = [...document.querySelectorAll("#talk li.assistant")];
    return lines.length > count && lines.at(-1).textContent.includes("word9") // the first words were heard by then
      && !document.getElementById("stop-button").disabled;
  }, before, { timeout: 90_000 });
  await page.keyboard.press("Escape");
  await until(() => !page.sound.sounding);
  report.stopped = await seen();

  await page.click("summary");
  for (const [name, width, scheme] of [["light", 760, "light"], ["dark", 760, "dark"], ["phone", 390, "light"]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 844 });
    report[`${name}_overflow`] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    report[`${name}_talk`] = await page.evaluate(() => document.getElementById("talk").clientHeight);
    await page.screenshot({ path: path.join(shots, `${name}.png`) });
  }
  await browser.close();
}

main().then(() => console.log(JSON.stringify(report)), (problem) => { console.error(problem); process.exit(1); });
