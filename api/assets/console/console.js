// The console's own script: live pages, keys, copying, local times. Every page works without it.
(() => {
  "use strict";

  const POLL_MS = 10_000;
  const RETRY_MS = 30_000;
  const byId = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Times: relative words that go on, the absolute time in both zones behind them.

  const UNITS = [[172_800_000, 86_400_000, "d"], [3_600_000, 3_600_000, "h"], [60_000, 60_000, "min"], [1_000, 1_000, "s"]];
  const skew = { ms: 0 };

  function relative(ms) {
    const length = Math.abs(ms);
    const unit = UNITS.find(([from]) => length >= from);
    if (!unit) return "now";
    const words = `${Math.floor(length / unit[1])} ${unit[2]}`;
    return ms > 0 ? `${words} ago` : `in ${words}`;
  }

  function tell_times() {
    for (const time of all("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const words = relative(Date.now() + skew.ms - at.getTime());
      if (time.textContent !== words) time.textContent = words;
      if (time.dataset.told === time.dateTime) continue;
      time.dataset.told = time.dateTime;
      const local = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
      const utc = at.toISOString().replace("T", " ").slice(0, 19);
      time.title = `${utc} UTC\n${local} here`;
    }
  }

  // Live: a stream tells that the page is worth another look; without one it looks by itself.

  const live = { source: null, full: false, held: false, waiting: false, looking: false, since: Date.now(), tried: Date.now(), first: true, retry: 0 };
  const region = () => byId("live");

  // Nothing is replaced under somebody's hands.
  function busy() {
    const root = region();
    const chosen = document.getSelection();
    if (chosen && !chosen.isCollapsed && root.contains(chosen.anchorNode)) return true;
    if (document.querySelector("dialog[open]")) return true;
    if (all("input, select, textarea", root).some(is_touched)) return true;
    const active = document.activeElement;
    return root.contains(active) && active.matches("input, select, textarea");
  }

  function is_touched(field) {
    if (field.type === "hidden" || field.type === "submit" || field.type === "button") return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((option) => option.defaultSelected && !option.selected);
    return field.value !== field.defaultValue;
  }

  function is_live() {
    return Boolean(region()?.dataset.live);
  }

  function show_state() {
    const bar = byId("live-bar");
    if (!bar) return;
    bar.hidden = !is_live();
    const open = live.source?.readyState === EventSource.OPEN;
    const seconds = Math.round((Date.now() - live.since) / 1_000);
    let state = open ? "live" : live.first ? "connecting" : "polling";
    if (live.held || live.waiting) state = "held";
    if (!live.held && !open && seconds > (2 * POLL_MS) / 1_000) state = "stale";
    const since = new Date(live.since).toLocaleTimeString();
    const words = {
      live: "Live",
      connecting: "Connecting",
      polling: `Looks every ${POLL_MS / 1_000} s${live.full ? ", as many pages are live as may be" : ""}`,
      held: live.waiting ? `Held, newer since ${since}` : "Held",
      stale: `Stale since ${since}`,
    }[state];
    bar.dataset.state = state;
    const said = byId("live-state");
    if (said.textContent !== words) said.textContent = words;
    byId("live-hold").setAttribute("aria-pressed", String(live.held));
  }

  async function look() {
    if (!is_live() || live.looking) return;
    if (live.held || document.hidden || busy()) {
      if (!live.waiting) live.since = Date.now();
      live.waiting = true;
      show_state();
      return;
    }
    live.looking = true;
    live.tried = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" });
      // Signed out meanwhile, or gone: the reader sees it for himself.
      if (answer.redirected || answer.status === 401 || answer.status === 404) return location.reload();
      const text = answer.ok ? await answer.text() : "";
      if (text.includes('id="live"') && !live.held && !busy()) {
        await replace(text);
        live.waiting = false;
        live.since = Date.now();
      }
    } catch {
      // The next look may reach it.
    } finally {
      live.looking = false;
      show_state();
    }
  }

  async function replace(text) {
    const open = new Set(all("details[open]", region()).map(name_of));
    const shut = new Set(all("details:not([open])", region()).map(name_of));
    const scrolled = all(".table, .timeline-scroll", region()).map((box) => box.scrollLeft);
    await htmx.swap({ text, select: "#live", target: region(), sourceElement: region(), swap: "outerMorph" });
    for (const details of all("details", region())) {
      const name = name_of(details);
      if (open.has(name)) details.open = true;
      else if (shut.has(name)) details.open = false;
    }
    all(".table, .timeline-scroll", region()).forEach((box, at) => { box.scrollLeft = scrolled[at] ?? 0; });
    dress();
  }

  function name_of(details) {
    return details.id || `${all("details").indexOf(details)} ${details.querySelector("summary")?.textContent}`;
  }

  function connect() {
    disconnect();
    clearTimeout(live.retry);
    live.retry = 0;
    if (!is_live() || live.held || document.hidden) return show_state();
    live.source = new EventSource(region().dataset.live);
    live.source.addEventListener("full", () => {
      // There is no place now: the page looks by itself, and asks again later.
      live.full = true;
      live.first = false;
      disconnect();
      live.retry = setTimeout(() => { live.retry = 0; connect(); }, RETRY_MS);
      show_state();
    });
    live.source.addEventListener("open", () => {
      live.full = false;
      // What happened while nobody listened is looked for.
      if (!live.first) look();
      live.first = false;
      show_state();
    });
    live.source.addEventListener("changed", look);
    live.source.addEventListener("error", () => {
      show_state();
      live.first = false;
      if (live.source?.readyState === EventSource.CLOSED && !live.retry) {
        live.retry = setTimeout(() => { live.retry = 0; connect(); }, RETRY_MS);
      }
    });
    show_state();
  }

  function disconnect() {
    live.source?.close();
    live.source = null;
  }

  function hold(held) {
    live.held = held;
    if (held) live.since = Date.now();
    if (held) disconnect();
    else { live.first = true; connect(); look(); }
    show_state();
  }

  function begin_live() {
    if (!byId("live-bar") || !is_live()) return show_state();
    byId("live-hold").addEventListener("click", () => hold(!live.held));
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) disconnect();
      else { connect(); look(); }
    });
    addEventListener("pagehide", disconnect);
    connect();
    setInterval(() => {
      const open = live.source?.readyState === EventSource.OPEN;
      const rested = Date.now() - live.tried;
      if (!live.held && (live.waiting ? rested >= 2_000 : !open && rested >= POLL_MS)) look();
      show_state();
    }, 1_000);
  }

  // Copying.

  function dress() {
    for (const button of all("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
    tell_times();
  }

  async function copy(button) {
    const from = byId(button.dataset.copy);
    if (!from) return;
    await navigator.clipboard.writeText(from.textContent);
    const words = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = words; }, 1_500);
  }

  // The drawer: a step beside its run. The step has a page of its own for everybody else.

  async function open_drawer(href) {
    const drawer = byId("drawer");
    try {
      const answer = await fetch(href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const step = page.getElementById("step");
      if (!answer.ok || !step) throw new Error("no step");
      byId("drawer-body").replaceChildren(document.adoptNode(step));
      byId("drawer-open").href = href;
      if (!drawer.open) drawer.showModal();
      byId("drawer-body").scrollTop = 0;
      dress();
    } catch {
      location.href = href;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) return void copy(button);
    const close = event.target.closest("[data-close]");
    if (close) return close.closest("dialog").close();
    const drawer = byId("drawer");
    if (drawer && event.target === drawer) return drawer.close();
    const link = event.target.closest("a[href]");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !drawer || !plain || event.defaultPrevented) return;
    const href = link.getAttribute("href");
    const inside = region()?.contains(link) || drawer.contains(link);
    if (/^\/console\/runs\/[^/]+\/steps\/\d+$/.test(href) && inside && link.id !== "drawer-open" && !document.querySelector("#main .step")) {
      event.preventDefault();
      open_drawer(href);
    }
  });

  // Keys.

  const GO = { o: "/console", r: "/console/runs", i: "/console/incidents", w: "/console/workers", q: "/console/queues", s: "/console/schedules", b: "/console/bulk", a: "/console/audit" };
  let going = 0;

  function step_rows(by) {
    const links = all("#main tbody tr").map((row) => row.querySelector("th a[href], td a[href]")).filter(Boolean);
    if (!links.length) return;
    const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
    links[next].focus();
    links[next].closest("tr").scrollIntoView({ block: "nearest" });
  }

  function search() {
    byId("search")?.focus();
    byId("search")?.select();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (Date.now() - going < 1_500 && GO[event.key]) {
      going = 0;
      location.href = GO[event.key];
      return;
    }
    going = 0;
    const keys = {
      "/": search,
      "j": () => step_rows(1),
      "k": () => step_rows(-1),
      "?": () => byId("keys")?.showModal(),
      "g": () => { going = Date.now(); },
      "h": () => is_live() && hold(!live.held),
      "t": () => byId("timeline")?.scrollIntoView(),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const served = Date.parse(byId("live")?.dataset.now ?? "");
    if (!Number.isNaN(served)) skew.ms = served - Date.now();
    dress();
    begin_live();
    for (const button of all("[data-keys]")) {
      button.hidden = false;
      button.addEventListener("click", () => byId("keys")?.showModal());
    }
    setInterval(tell_times, 1_000);
  });
})();
