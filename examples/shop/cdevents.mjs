// Tells about deploys as a deploy tool would: CDEvents (cdevents.dev), each one CloudEvent in JSON.
import { randomUUID } from 'node:crypto';

const source = '/shop/deployer';

// `what` is deployed, upgraded, rolledback or removed.
function serviceEvent(what, service, version) {
  const context = {
    id: randomUUID(), source, type: `dev.cdevents.service.${what}.0.2.0`,
    timestamp: new Date().toISOString(),
  };
  return {
    specversion: '1.0', id: context.id, source, type: context.type, time: context.timestamp,
    subject: service, datacontenttype: 'application/json',
    data: {
      context: { version: '0.4.1', ...context },
      subject: { id: service, source, type: 'service', content: {
        environment: { id: 'production' }, artifactId: `pkg:oci/shop/${service}@${version}`,
      } },
    },
  };
}

// Returns undefined when the receiver took it, else why it did not.
export async function announce(url, what, service, version) {
  try {
    const answer = await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(serviceEvent(what, service, version)),
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok ? undefined : `HTTP status ${answer.status}`;
  } catch (error) {
    return error.cause?.message ?? error.message;
  }
}
