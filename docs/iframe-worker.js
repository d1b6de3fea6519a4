// Search on pages opened from a disk, where browsers start no worker: its script runs in a hidden
// frame instead. The offline plugin would ask another host for such a script unless one is named.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.inside = new Promise(resolve => {
        this.frame.addEventListener("load", () => resolve(this.frame.contentWindow), {once: true});
      }).then(async inside => {
        inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", {data}));
        inside.importScripts = (...urls) => Promise.all(urls.map(each => load(inside, each)));
        await load(inside, url);
        return inside;
      });
      document.body.append(this.frame);
    }

    async postMessage(data) {
      const inside = await this.inside;
      inside.dispatchEvent(new MessageEvent("message", {data}));
    }

    terminate() {
      this.frame.remove();
    }
  };

  const load = (inside, url) => new Promise((resolve, reject) => {
    const script = inside.document.createElement("script");
    script.src = new URL(url, location);
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`${url} cannot be loaded`)));
    inside.document.head.append(script);
  });
}
