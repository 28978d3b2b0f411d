# One image for the runtime and for the operator; what differs is the command.
ARG PYTHON_VERSION=3.13

# Dependencies change rarely. An empty project that has the same ones makes them a layer that a
# change of code leaves alone.
FROM docker.io/library/python:${PYTHON_VERSION}-slim-trixie AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python3 -m venv --without-pip /opt/chekov
COPY pyproject.toml constraints.txt ./
RUN mkdir -p runtime/chekov runtime/pytest_chekov operator/chekov_operator \
 && touch README.md LICENSE runtime/chekov/__init__.py runtime/pytest_chekov/__init__.py operator/chekov_operator/__init__.py \
 && pip --python /opt/chekov/bin/python3 install --no-compile -c constraints.txt '.[runtime,operator]' \
 && pip --python /opt/chekov/bin/python3 uninstall --yes chekov
# Nothing writes bytecode at run time, so it is made here; it never looks at the age of its source.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/chekov/lib

FROM dependencies AS project
COPY README.md LICENSE ./
COPY runtime runtime
COPY operator operator
RUN pip --python /opt/chekov/bin/python3 install --no-compile --no-deps --prefix /project . \
 && python3 -m compileall -q -s /project -p /opt/chekov --invalidation-mode unchecked-hash /project/lib

FROM docker.io/library/python:${PYTHON_VERSION}-slim-trixie
LABEL org.opencontainers.image.title="Chekov" \
      org.opencontainers.image.description="Runtime and operator of Chekov for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
# What only an installer needs has no place in an image that runs.
RUN find / -xdev \( -path '*/site-packages/pip*' -o -path '*/dist-packages/pip*' \
      -o -path '*/ensurepip' -o -path '/usr/share/python-wheels' -o -path '*/bin/pip*' \) \
      -prune -exec rm -rf {} +
# A cluster may choose any user id; what looks its name up finds it here instead of /etc/passwd.
ENV PATH=/opt/chekov/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 USER=chekov HOME=/tmp
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080 9090
ENTRYPOINT ["chekov"]
CMD ["serve"]
COPY --from=dependencies /opt/chekov /opt/chekov
COPY --from=project /project /opt/chekov
