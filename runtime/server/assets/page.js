// Keeps the page as it is: when something happens it is asked for again, and what has changed is put in its place. The daemon makes
// all of the markup, also of this; a text that is written here is written as text.
"use strict";

(() => {
  // Many things happen at once: the page is asked for when they have happened, and at most so often.
  const AT_MOST_EVERY_MS = 2000;
  // What the stream does not tell of, such as how long ago something was.
  const AT_LEAST_EVERY_MS = 15000;
  const HAPPENINGS = ["accepted", "refused", "outcome", "owner", "breaker", "drain", "missed"];

  const live = document.getElementById("live");
  let soonTimer = null;
  let laterTimer = null;
  let asked = 0;
  let isConnected = false;
  let stream = null;

  const say = (text, isLive) => {
    if (live.textContent !== text) {
      live.textContent = text;
    }
    live.classList.toggle("is-live", isLive);
    live.classList.toggle("is-lost", !isLive);
  };

  // An XMLHttpRequest makes a document of the answer in which nothing is carried out.
  const ask = () =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("GET", "/");
      request.responseType = "document";
      request.timeout = 10000;
      request.onload = () => resolve(request);
      request.onerror = request.ontimeout = reject;
      request.send();
    });

  // A question that is open stays open, about the same delivery, in what is put in its place.
  const keepOpen = (section, next) => {
    const open = new Set([...section.querySelectorAll("details[open]")].map((details) => details.dataset.of));
    for (const details of next.querySelectorAll("details")) {
      details.open = open.has(details.dataset.of);
    }
  };

  // Whoever is about to press a button presses that button: a part in which one has the focus waits until it has it no more. A table that
  // has the focus, as a click into it gives it, waits for nothing, and its next one has it and is as far along.
  const put = (fresh) => {
    for (const section of document.querySelectorAll("main > section")) {
      const next = fresh.getElementById(section.id);
      const active = section.contains(document.activeElement) ? document.activeElement : null;
      if (next) {
        keepOpen(section, next);
      }
      if (next && !section.isEqualNode(next) && !active?.matches("button, a, input, summary")) {
        const along = section.querySelector(".scroll")?.scrollLeft ?? 0;
        section.replaceWith(document.adoptNode(next));
        const table = next.querySelector(".scroll");
        if (table) {
          table.scrollLeft = along;
          if (active) {
            table.focus({ preventScroll: true });
          }
        }
      }
    }
    document.title = fresh.title;
  };

  const refresh = async () => {
    asked = Date.now();
    try {
      const answer = await ask();
      if (answer.status === 401) {
        window.location.reload();
        return;
      }
      if (answer.status === 200 && answer.response) {
        put(answer.response);
        say(isConnected ? "live" : "not live: asked every 15 s", isConnected);
      } else {
        say(`the daemon answers ${answer.status}`, false);
      }
      connect();
    } catch {
      say("the daemon does not answer", false);
    }
    later();
  };

  const later = () => {
    window.clearTimeout(laterTimer);
    laterTimer = window.setTimeout(() => (document.hidden ? later() : refresh()), AT_LEAST_EVERY_MS);
  };

  // Whoever does not look needs nothing; who looks again has it at once.
  const soon = () => {
    if (soonTimer !== null || document.hidden) {
      return;
    }
    const wait = Math.max(200, asked + AT_MOST_EVERY_MS - Date.now());
    soonTimer = window.setTimeout(() => {
      soonTimer = null;
      void refresh();
    }, wait);
  };

  const connect = () => {
    if (stream !== null || document.hidden) {
      return;
    }
    stream = new EventSource("/v1/stream");
    stream.onopen = () => {
      isConnected = true;
      say("live", true);
      soon();
    };
    stream.onerror = () => {
      isConnected = false;
      say("not live: the connection is lost", false);
      // It was refused: the browser does not try again, and we do with the next answer.
      if (stream?.readyState === EventSource.CLOSED) {
        stream = null;
      }
    };
    for (const happening of HAPPENINGS) {
      stream.addEventListener(happening, soon);
    }
  };

  // A browser has six connections to a server, for all of its windows: one that nobody looks at keeps none.
  const disconnect = () => {
    stream?.close();
    stream = null;
    isConnected = false;
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      disconnect();
    } else {
      connect();
      soon();
    }
  });
  connect();
  later();
})();
