# docker build -t popularity . && docker run --rm -v "$PWD/out:/out" popularity
FROM python:3.12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends git make libgomp1 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /project
COPY . .
RUN make env
ENV POPULARITY_OUTPUT=/out
CMD ["make", "report"]
